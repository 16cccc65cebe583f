import reactHooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

/** Folders of src/, from the top down; those in one line do not know each other. A folder imports only from below. */
const layers = [["app"], ["features"], ["components"], ["draw", "live", "api"], ["lib"]];

/** Refuses imports of a folder's own level and of those above, as `@/folder` or by a relative path. */
function layerRules() {
  return layers.flatMap((level, index) =>
    level.map((folder) => {
      const above = layers.slice(0, index).flat();
      const beside = level.filter((other) => other !== folder);
      const refused = [...above, ...beside];
      return {
        files: [`src/${folder}/**/*.{ts,tsx}`],
        rules: {
          "no-restricted-imports": [
            "error",
            {
              patterns: [
                ...(refused.length
                  ? [{
                      group: refused.flatMap((name) => [`@/${name}`, `@/${name}/**`, `**/../${name}/**`]),
                      message: `${folder} may not know this folder: app > features > components > draw, live, api > lib`,
                    }]
                  : []),
                ...(folder === "features"
                  ? [{
                      group: ["@/features/**", "../../*/**"],
                      message: "A feature never imports a feature; what two need belongs into components or lib",
                    }]
                  : []),
              ],
            },
          ],
        },
      };
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
