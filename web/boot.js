// GraphiQL for Rollcall. Tokens, and what is typed into the editors, live as long as the page and are never stored.
(function () {
  "use strict";

  const { createElement } = React;
  const { buildSchema, parse } = GraphiQL.GraphQL;
  const LOOKS = ["theme", "editorFlex", "docExplorerFlex", "secondaryEditorFlex", "visiblePlugin"];
  const SESSION = "session { accessToken accessTokenExpiresAt refreshToken login { user { displayName } organization { name } } }";
  const by = (id) => document.getElementById(id);

  let session = null;
  let challenge = null;
  let refreshing = null;
  let schema = null;
  let draw = () => {};

  // --- requests ---------------------------------------------------------------------------------------------------

  async function post(body, headers) {
    const answer = await fetch("/graphql", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/graphql-response+json, application/json;q=0.9", ...headers },
      body: JSON.stringify(body),
    });
    return answer.json();
  }

  /** Runs a mutation of ours; answers its payload, or throws what to tell the person. */
  async function run(name, kind, selection, input) {
    const query = `mutation ($input: ${kind}!) { ${name}(input: $input) { ${selection} userErrors { message } } }`;
    const answer = await post({ query, variables: { input } });
    const payload = answer.data && answer.data[name];
    const problem = (answer.errors || []).concat(payload ? payload.userErrors : [])[0];
    if (problem) throw new Error(problem.message);
    return payload;
  }

  /** The access token, renewed shortly before it ends. */
  async function accessToken() {
    if (!session) return null;
    if (Date.parse(session.accessTokenExpiresAt) - Date.now() < 30000) {
      refreshing = refreshing || run("refreshSession", "RefreshSessionInput", SESSION, { refreshToken: session.refreshToken })
        .then((payload) => enter(payload.session), () => leave("Your login has ended: sign in again."))
        .finally(() => { refreshing = null; });
      await refreshing;
    }
    return session && session.accessToken;
  }

  async function fetcher(body, options) {
    const typed = (options && options.headers) || {};
    const headers = {};
    for (const [name, value] of Object.entries(typed)) headers[name.toLowerCase()] = value;
    if (!headers.authorization) {
      const token = await accessToken();
      if (token) headers.authorization = `Bearer ${token}`;
    }
    const answer = await post(body, headers);
    const login = answer.data && answer.data.login;
    // The first tab signs in too: what it answers is used from then on.
    if (login && login.session && login.session.refreshToken && login.session.login) enter(login.session);
    return answer;
  }

  // --- signing in -------------------------------------------------------------------------------------------------

  function show() {
    by("sign-in").hidden = Boolean(session || challenge);
    by("second-factor").hidden = !challenge;
    by("sign-out").hidden = !session;
  }

  function enter(next) {
    session = next;
    challenge = null;
    const { user, organization } = next.login;
    by("who").textContent = [user && user.displayName, organization && organization.name].filter(Boolean).join(" · ");
    show();
    loadSchema();
  }

  function leave(reason) {
    session = null;
    challenge = null;
    by("problem").textContent = reason || "";
    show();
  }

  function onSubmit(id, act) {
    by(id).addEventListener("submit", async (event) => {
      event.preventDefault();
      const form = event.target;
      const button = form.querySelector("button");
      button.disabled = true;
      by("problem").textContent = "";
      try {
        await act(new FormData(form));
        form.reset();
      } catch (error) {
        by("problem").textContent = error.message;
      } finally {
        button.disabled = false;
      }
    });
  }

  onSubmit("sign-in", async (form) => {
    const input = { email: form.get("email"), password: form.get("password"), deviceName: "GraphiQL" };
    const payload = await run("login", "LoginInput", `${SESSION} challenge { token }`, input);
    if (payload.session) {
      enter(payload.session);
    } else {
      challenge = payload.challenge.token;
      show();
      by("second-factor").elements.code.focus();
    }
  });
  onSubmit("second-factor", async (form) => {
    const given = String(form.get("code")).trim();
    const factor = /^[0-9]{6}$/.test(given) ? { code: given } : { recoveryCode: given };
    const payload = await run("verifyMfa", "VerifyMfaInput", SESSION, { challengeToken: challenge, ...factor });
    enter(payload.session);
  });
  onSubmit("sign-out", async () => {
    const { refreshToken } = session;
    leave();
    await run("logout", "LogoutInput", "clientMutationId", { refreshToken });
  });
  by("cancel").addEventListener("click", () => leave());

  // --- examples ---------------------------------------------------------------------------------------------------

  /** What the demo prints: address and password of its owner, in the fragment of its link, which is sent to no server. */
  function demo() {
    const given = new URLSearchParams(location.hash.slice(1));
    if (location.hash) history.replaceState(null, "", location.pathname);
    const form = by("sign-in").elements;
    form.email.value = given.get("email") || "";
    form.password.value = given.get("password") || "";
    return { email: given.get("email") || "owner@acme.example", password: given.get("password") || "" };
  }

  /** One tab for each operation of the file, its comments above it. What it cannot run without is there to be filled in. */
  function tabsOf(text, given) {
    return text.split(/(?<=^\}\n)/m).map((part) => part.trim()).filter((part) => /^(query|mutation)\b/m.test(part)).map((query) => {
      const variables = {};
      for (const definition of parse(query).definitions[0].variableDefinitions || []) {
        const name = definition.variable.name.value;
        if (definition.type.kind === "NonNullType") variables[name] = given[name] ?? "";
      }
      return { query, variables: Object.keys(variables).length ? JSON.stringify(variables, null, 2) : "" };
    });
  }

  // --- the keyboard -----------------------------------------------------------------------------------------------

  /** In an editor Tab indents. After Escape it leaves, so that no editor keeps the keyboard (WCAG 2.1.2). */
  function letTabLeaveEditors() {
    let leaving = false;
    document.addEventListener("keydown", (event) => {
      const isEditor = event.target instanceof Element && event.target.closest(".CodeMirror");
      if (isEditor && event.key === "Tab" && leaving) event.stopImmediatePropagation();
      if (event.key !== "Shift") leaving = Boolean(isEditor) && event.key === "Escape";
    }, true);
    document.addEventListener("mousedown", () => { leaving = false; }, true);
  }

  // --- the page ---------------------------------------------------------------------------------------------------

  /** Only how the page looks is remembered; the rest is forgotten with it. */
  function storage() {
    const kept = new Map();
    const looks = (name) => LOOKS.includes(name.replace(/^graphiql:/, ""));
    return {
      get length() { return kept.size; },
      getItem: (name) => (looks(name) ? localStorage.getItem(name) : kept.get(name) ?? null),
      setItem: (name, value) => (looks(name) ? localStorage.setItem(name, value) : void kept.set(name, value)),
      removeItem: (name) => (looks(name) ? localStorage.removeItem(name) : void kept.delete(name)),
      clear: () => kept.clear(),
    };
  }

  function Page({ tabs, plugins, memory }) {
    const [known, setKnown] = React.useState(schema);
    draw = () => setKnown(schema);
    return createElement(GraphiQL, {
      fetcher, schema: known, plugins, storage: memory, defaultTabs: tabs, defaultEditorToolsVisibility: "variables",
      isHeadersEditorEnabled: true, shouldPersistHeaders: false, inputValueDeprecation: true,
    });
  }

  async function text(path, headers) {
    const answer = await fetch(path, { headers });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.text();
  }

  /** Whether the schema is told to everybody: asked so that a refusal is an answer, and no failed request. */
  async function isSchemaPublic() {
    const answer = await post({ query: "{ __schema { queryType { name } } }" }, { accept: "application/json" });
    return !answer.errors;
  }

  /** The schema, once those who ask may read it: without it operations run, but nothing is suggested. */
  async function loadSchema() {
    const token = await accessToken();
    if (schema || !(token || (await isSchemaPublic()))) return;
    try {
      schema = buildSchema(await text("/graphql/schema.graphql", token ? { authorization: `Bearer ${token}` } : {}));
      draw();
    } catch (error) {
      console.info(`there is no schema: ${error.message}`);
    }
  }

  async function start() {
    const given = demo();
    letTabLeaveEditors();
    const [examples] = await Promise.all([text("/graphiql/examples.graphql", {}), loadSchema()]);
    const explorer = GraphiQLPluginExplorer.explorerPlugin({ showAttribution: false });
    const [tabs, memory] = [tabsOf(examples, given), storage()];
    // GraphiQL shows the variables of a tab when it is chosen, and those of the first from here.
    memory.setItem("graphiql:variables", tabs[0].variables);
    const page = createElement(Page, { tabs, plugins: [explorer], memory });
    ReactDOM.createRoot(by("graphiql")).render(page);
    show();
  }

  start().catch((error) => { by("graphiql").textContent = `GraphiQL could not start: ${error.message}`; });
})();
