#!/usr/bin/env bash
# What other people's programs say of the account API. Needs Node; the browser's part needs Chromium.
set -euo pipefail
cd "$(dirname "$0")/../../.."

here=tests/tools/node
npm --prefix "$here" ci --no-audit --no-fund --loglevel=error

"$here/node_modules/.bin/eslint" -c "$here/eslint.config.mjs" schema/api.graphql
echo "graphql-eslint: no finding"

node "$here/audits.mjs"

chromium="${CHROMIUM:-/usr/bin/chromium}"
if [ ! -x "$chromium" ] && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get install -y --no-install-recommends chromium >/dev/null 2>&1 || true
fi
if [ -x "$chromium" ]; then
    folder=$(mktemp -d)
    CHROMIUM="$chromium" node "$here/graphiql.mjs" "$folder"
else
    echo "no Chromium: GraphiQL was not opened"
fi
