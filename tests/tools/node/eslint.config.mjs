// Lints of the schema: the recommended and Relay rules, and those that hold our conventions.
import graphql from "@graphql-eslint/eslint-plugin";

const schema = "schema/api.graphql";

export default [
  {
    files: ["**/*.graphql"],
    languageOptions: { parser: graphql.parser, parserOptions: { graphQLConfig: { schema } } },
    plugins: { "@graphql-eslint": graphql },
    rules: {
      ...graphql.configs["flat/schema-recommended"].rules,
      ...graphql.configs["flat/schema-relay"].rules,
      // Lists that are short are lists, and connections have a `nodes` shortcut.
      "@graphql-eslint/relay-edge-types": ["error", { withEdgeSuffix: true, shouldImplementNode: true, listTypeCanWrapOnlyEdgeType: false }],
      // What is refetched has an id and is a Node; payloads, states and other values are neither.
      "@graphql-eslint/strict-id-in-types": "off",
      // `userName` is SCIM's name for it.
      "@graphql-eslint/no-typename-prefix": "off",
      "@graphql-eslint/input-name": ["error", { checkInputType: true, caseSensitiveInputType: false }],
      "@graphql-eslint/no-scalar-result-type-on-mutation": "error",
      // What was released is never removed: a deprecated field has a replacement and no date.
      "@graphql-eslint/require-deprecation-date": "off",
      "@graphql-eslint/require-field-of-type-query-in-mutation-result": "error",
      "@graphql-eslint/require-nullable-fields-with-oneof": "error",
      "@graphql-eslint/require-nullable-result-in-root": "error",
    },
  },
];
