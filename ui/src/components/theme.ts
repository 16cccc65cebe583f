/** Mantine in the page's own sizes and colours; the colours themselves are in `tokens.css`. */
import { createTheme, defaultVariantColorsResolver, type MantineColorsTuple, type VariantColorsResolver } from "@mantine/core";

const accent: MantineColorsTuple = [
  "#e4edf7", "#c8dcf3", "#a7caf1", "#86b9f0", "#5f9bdc", "#3c7cc4", "#1f5fa8", "#1a518f", "#154276", "#10345e",
];

/** The one filled control of a page is in the accent of the scheme; Mantine would compute its text for light alone. */
const colours: VariantColorsResolver = (input) => {
  const found = defaultVariantColorsResolver(input);
  if (input.variant !== "filled" || (input.color !== undefined && input.color !== "accent")) return found;
  const hover = "color-mix(in srgb, var(--grid-accent) 88%, var(--grid-text))";
  return { ...found, background: "var(--grid-accent)", hover, color: "var(--grid-on-accent)" };
};

const size32 = {
  vars: () => ({
    wrapper: {
      "--input-height": "32px", "--input-fz": "13px", "--input-bd": "var(--grid-control)", "--input-bg": "var(--grid-surface)",
    },
  }),
};
const inputWrapper = { size: "sm" } as const;

export const theme = createTheme({
  fontFamily: "var(--grid-font)",
  fontFamilyMonospace: "var(--grid-mono)",
  colors: { accent },
  primaryColor: "accent",
  primaryShade: { light: 6, dark: 3 },
  autoContrast: true,
  variantColorResolver: colours,
  defaultRadius: 4,
  cursorType: "pointer",
  respectReducedMotion: true,
  fontSizes: { xs: "12px", sm: "13px", md: "14px", lg: "16px", xl: "20px" },
  lineHeights: { xs: "16px", sm: "20px", md: "20px", lg: "24px", xl: "28px" },
  spacing: { xs: "8px", sm: "12px", md: "16px", lg: "24px", xl: "32px" },
  headings: {
    fontWeight: "600",
    sizes: {
      h1: { fontSize: "16px", lineHeight: "24px" },
      h2: { fontSize: "14px", lineHeight: "20px" },
      h3: { fontSize: "13px", lineHeight: "20px" },
    },
  },
  components: {
    Button: {
      defaultProps: { size: "sm", variant: "default" },
      vars: (_theme: unknown, { size }: { size?: unknown }) => ({
        root: String(size).startsWith("compact") // within a row of 32 px
          ? { "--button-height": "24px", "--button-fz": "12px", "--button-padding-x": "8px" }
          : { "--button-height": "32px", "--button-fz": "13px", "--button-padding-x": "12px" },
      }),
    },
    ActionIcon: { defaultProps: { size: 32, variant: "subtle", color: "gray" } },
    Input: size32,
    InputWrapper: { defaultProps: inputWrapper },
    TextInput: { defaultProps: inputWrapper },
    Select: { defaultProps: { ...inputWrapper, checkIconPosition: "right" } },
    Tooltip: { defaultProps: { withArrow: false, openDelay: 400, fz: 12, multiline: true, maw: 360, color: "dark" } },
    Modal: { defaultProps: { centered: true, overlayProps: { backgroundOpacity: 0.4 }, transitionProps: { duration: 0 } } },
    Menu: { defaultProps: { transitionProps: { duration: 0 }, shadow: "sm" } },
    Popover: { defaultProps: { transitionProps: { duration: 0 }, shadow: "sm" } },
    Tabs: { defaultProps: { keepMounted: false } },
    Table: { defaultProps: { verticalSpacing: 6, fz: 13 } },
  },
});

/** Where the viewer's choice of colours is kept; `theme.js` reads it before the first paint. */
export const SCHEME_KEY = "grid-colour-scheme";
