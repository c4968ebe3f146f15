// Fills dist/ with what the server embeds: our page, and the files that the packages publish.
import { copyFile, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";

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
// Below this a compressed file saves no packet.
const WORTH_IT = 1024;
for (const [name, source] of Object.entries(files)) {
  await copyFile(path.join(here, source), path.join(dist, name));
  const content = await readFile(path.join(dist, name));
  // The page itself is written by the server.
  if (content.length < WORTH_IT || name === "index.html") continue;
  const params = { [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT };
  await writeFile(path.join(dist, `${name}.br`), brotliCompressSync(content, { params }));
}
console.log(`web/dist: ${Object.keys(files).length} files`);
