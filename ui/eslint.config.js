import reactHooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

/** Folders of src/, from the top down; those in one line do not know each other. A folder imports only from below. */
const layers = [["app"], ["features"], ["components"], ["draw", "live", "api"], ["lib"]];

const order = "app > features > components > draw, live, api > lib";

/** A rule for the files of a folder that refuses imports by these patterns. */
function refusing(files, patterns) {
  return { files, rules: { "no-restricted-imports": ["error", { patterns }] } };
}

/** Refuses imports of a folder's own level and of those above, as `@/folder` or by a relative path. */
function layerRules() {
  return layers.flatMap((level, index) =>
    level.flatMap((folder) => {
      const others = [...layers.slice(0, index).flat(), ...level.filter((other) => other !== folder)];
      const group = others.flatMap((name) => [`@/${name}`, `@/${name}/**`, `**/../${name}/**`]);
      const layer = group.length ? [{ group, message: `${folder} may not know this folder: ${order}` }] : [];
      if (folder !== "features") return [refusing([`src/${folder}/**/*.{ts,tsx}`], layer)];
      const message = "A feature never imports a feature; what two need belongs into components or lib";
      return [
        refusing(["src/features/*/*.{ts,tsx}"], [...layer, { group: ["@/features/**", "../**"], message }]),
        refusing(["src/features/*/*/**/*.{ts,tsx}"], [...layer, { group: ["@/features/**", "../../**"], message }]),
      ];
    }),
  );
}

export default tseslint.config(
  { ignores: ["src/api/schema.d.ts", "node_modules"] },
  ...tseslint.configs.recommended,
  {
    files: ["src/**/*.{ts,tsx}"],
    plugins: { "react-hooks": reactHooks },
    rules: {
      ...reactHooks.configs.recommended.rules,
      eqeqeq: "error",
      "no-console": "error",
      "no-eval": "error",
      "no-restricted-syntax": [
        "error",
        {
          selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']",
          message: "Text from outside is text, never markup",
        },
        { selector: "AssignmentExpression[left.property.name='innerHTML']", message: "Use textContent" },
      ],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
    },
  },
  ...layerRules(),
);
