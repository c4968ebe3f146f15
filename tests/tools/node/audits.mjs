// The audits of graphql-http: does the endpoint speak GraphQL over HTTP? Every one must pass, the optional ones too.
import { serverAudits } from "graphql-http";
import { demo } from "./demo.mjs";

const { graphql, organizations, stop } = await demo();
try {
  const { email, password } = organizations[0].owner;
  const query = "mutation ($input: LoginInput!) { login(input: $input) { session { accessToken } } }";
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ query, variables: { input: { email, password } } });
  const signedIn = await (await fetch(graphql, { method: "POST", headers, body })).json();
  const authorization = `Bearer ${signedIn.data.login.session.accessToken}`;
  // Some audits ask for the schema, which is told to whoever is signed in.
  const fetchFn = (url, init) => fetch(url, { ...init, headers: { ...init?.headers, authorization } });
  const audits = serverAudits({ url: graphql, fetchFn });
  let failed = 0;
  for (const audit of audits) {
    const result = await audit.fn();
    // A notice is about what a server may do and ours does not: operations by GET.
    if (result.status === "warn" || result.status === "error") failed += 1;
    if (result.status !== "ok") {
      console.error(`${result.status}: ${audit.id} ${audit.name}: ${result.reason}`);
    }
  }
  console.log(`graphql-http: ${audits.length} audits, ${failed} errors and warnings`);
  process.exitCode = failed || audits.length < 61 ? 1 : 0;
} finally {
  stop();
}
