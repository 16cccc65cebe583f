const WIDTH = 6;
const GAP = 2;
const HEIGHT = 20;

/** Counts of equal spans of time as bars, the newest at the right; a span without any is a line on the ground. */
export function Sparkline({ values, label }: { values: readonly number[]; label: string }) {
  const most = Math.max(1, ...values);
  const width = values.length * (WIDTH + GAP);
  return (
    <svg width={width} height={HEIGHT} viewBox={`0 0 ${width} ${HEIGHT}`} role="img" aria-label={label}>
      {values.map((value, index) => {
        const height = value === 0 ? 1 : Math.max(2, (value / most) * HEIGHT);
        return (
          <rect
            key={index} x={index * (WIDTH + GAP)} y={HEIGHT - height} width={WIDTH} height={height}
            fill={value === 0 ? "var(--grid-line)" : "var(--grid-series-5)"}
          />
        );
      })}
    </svg>
  );
}
