// A real OpenID provider for the tests: npm oidc-provider, which is OpenID-certified. Loopback only.
//
// Environment: PORT; ISSUER; JWKS, CLIENTS and USERS as JSON
//   JWKS    {"keys": […]} private keys, one for each algorithm that a client asks for
//   CLIENTS [{"client_id", "client_secret", "redirect_uris", …}]   client metadata as OpenID registration names it
//   THIN    "no" puts the claims of granted scopes into the ID token, too
//   USERS   {"ines": {"name": "…", "email": "…", "password": "…"}} claims; a password is asked for only where given
// A `login_hint` that names a user without a password signs in with no form; consent is always given.
// Test hooks: POST /_control/user {"sub", "claims"} adds or replaces a user.
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const { PORT, ISSUER } = process.env;
const jwks = JSON.parse(process.env.JWKS);
const clients = JSON.parse(process.env.CLIENTS);
const users = JSON.parse(process.env.USERS);

const provider = new Provider(ISSUER, {
  clients,
  jwks,
  enabledJWA: { idTokenSigningAlgValues: ["RS256", "ES256", "EdDSA"] },
  cookies: { keys: ["only-for-tests"] },
  claims: { openid: ["sub"], profile: ["name", "preferred_username", "locale"], email: ["email", "email_verified"] },
  scopes: ["openid", "profile", "email"],
  acrValues: ["phr", "urn:example:password"],
  conformIdTokenClaims: process.env.THIN !== "no", // thin ID tokens: the other claims stand in userinfo alone
  pkce: { required: () => true },
  ttl: { AccessToken: 300, IdToken: 300, AuthorizationCode: 60, Session: 3600, Grant: 3600, Interaction: 600 },
  features: { devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: true } },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  async findAccount(_ctx, sub) {
    const { password: _password, ...claims } = users[sub] ?? {};
    return users[sub] && { accountId: sub, claims: () => ({ preferred_username: sub, ...claims, sub }) };
  },
});
provider.proxy = false;

async function bodyOf(request) {
  let text = "";
  for await (const piece of request) text += piece;
  return text;
}

function form(response, message) {
  response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
  response.end(`<!doctype html><html lang="en"><title>Test provider</title><h1>Test provider</h1><p>${message}</p>
<form method="post"><label>Name <input name="login" autofocus></label>
<label>Password <input name="password" type="password"></label><button>Sign in</button></form></html>`);
}

async function interaction(request, response) {
  const details = await provider.interactionDetails(request, response);
  if (details.prompt.name === "login") {
    let login = details.params.login_hint;
    let password;
    if (request.method === "POST") {
      const fields = new URLSearchParams(await bodyOf(request));
      login = fields.get("login");
      password = fields.get("password");
    }
    if (!login) return form(response, "Who are you?");
    if (!users[login] || (users[login].password && users[login].password !== password)) return form(response, "No.");
    const acr = users[login].acr ?? details.params.acr_values?.split(" ")[0]; // as asked, unless USERS says otherwise
    return provider.interactionFinished(request, response, { login: { accountId: login, remember: false, acr, amr: ["hwk", "user"] } });
  }
  const { session, params, prompt } = details;
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  if (prompt.details.missingOIDCScope) grant.addOIDCScope(prompt.details.missingOIDCScope.join(" "));
  if (prompt.details.missingOIDCClaims) grant.addOIDCClaims(prompt.details.missingOIDCClaims);
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

const answer = provider.callback();
createServer(async (request, response) => {
  try {
    if (request.url.startsWith("/interaction/")) return await interaction(request, response);
    if (request.url === "/_control/user") {
      const { sub, claims } = JSON.parse(await bodyOf(request));
      users[sub] = claims;
      return response.writeHead(204).end();
    }
    return answer(request, response);
  } catch (fault) {
    console.error(fault);
    response.writeHead(500).end(String(fault));
  }
}).listen(Number(PORT), "127.0.0.1", () => console.log(`ready ${ISSUER}`));
