// Fills dist/ with what the server embeds: our page, and the files that the packages publish.
import { copyFile, mkdir, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const dist = path.join(here, "dist");
const files = {
  "index.html": "index.html",
  "boot.js": "boot.js",
  "page.css": "page.css",
  "examples.graphql": "examples.graphql",
  "react.js": "node_modules/react/umd/react.production.min.js",
  "react-dom.js": "node_modules/react-dom/umd/react-dom.production.min.js",
  "graphiql.js": "node_modules/graphiql/graphiql.min.js",
  "graphiql.css": "node_modules/graphiql/graphiql.min.css",
  "explorer.js": "node_modules/@graphiql/plugin-explorer/dist/index.umd.js",
  "explorer.css": "node_modules/@graphiql/plugin-explorer/dist/style.css",
};

await mkdir(dist, { recursive: true });
for (const old of await readdir(dist)) {
  if (old !== ".gitignore") await rm(path.join(dist, old));
}
for (const [name, source] of Object.entries(files)) {
  await copyFile(path.join(here, source), path.join(dist, name));
}
console.log(`web/dist: ${Object.keys(files).length} files`);
