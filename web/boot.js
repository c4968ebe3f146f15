// GraphiQL for Rollcall. Tokens, and what is typed into the editors, live as long as the page and are never stored.
(function () {
  "use strict";

  const { createElement } = React;
  const { buildSchema, parse, typeFromAST, isInputObjectType, getNamedType, isListType, getNullableType } = GraphiQL.GraphQL;
  const LOOKS = ["theme", "editorFlex", "docExplorerFlex", "secondaryEditorFlex", "visiblePlugin"];
  const SESSION = "session { accessToken accessTokenExpiresAt refreshToken login { user { displayName } organization { name } } }";
  const by = (id) => document.getElementById(id);

  let session = null;
  let challenge = null;
  let refreshing = null;

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
    return post(body, headers);
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

  /** What a value of this type looks like, to be filled in. */
  function blank(type, schema) {
    if (!type) return null;
    if (isListType(getNullableType(type))) return [];
    const named = getNamedType(type);
    if (isInputObjectType(named)) return {};
    return { Int: 0, Float: 0, Boolean: false }[named.name] ?? "";
  }

  /** One tab for each operation of the file, its comments above it. */
  function tabsOf(text, schema) {
    return text.split(/(?<=^\}\n)/m).map((part) => part.trim()).filter((part) => /^(query|mutation)\b/m.test(part)).map((query) => {
      const definitions = parse(query).definitions[0].variableDefinitions || [];
      const variables = {};
      for (const definition of definitions) {
        if (definition.type.kind === "NonNullType") {
          variables[definition.variable.name.value] = blank(typeFromAST(schema, definition.type), schema);
        }
      }
      return { query, variables: Object.keys(variables).length ? JSON.stringify(variables, null, 2) : "" };
    });
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

  function Page({ schema, tabs, plugins, memory }) {
    return createElement(GraphiQL, {
      fetcher, schema, plugins, storage: memory, defaultTabs: tabs, defaultEditorToolsVisibility: "variables",
      isHeadersEditorEnabled: true, shouldPersistHeaders: false, inputValueDeprecation: true,
    });
  }

  async function text(path) {
    const answer = await fetch(path);
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.text();
  }

  async function start() {
    const [sdl, examples] = await Promise.all([text("/graphql/schema.graphql"), text("/graphiql/examples.graphql")]);
    const schema = buildSchema(sdl);
    const explorer = GraphiQLPluginExplorer.explorerPlugin({ showAttribution: false });
    const page = createElement(Page, { schema, tabs: tabsOf(examples, schema), plugins: [explorer], memory: storage() });
    ReactDOM.createRoot(by("graphiql")).render(page);
    show();
  }

  start().catch((error) => { by("graphiql").textContent = `GraphiQL could not start: ${error.message}`; });
})();
