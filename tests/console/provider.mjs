// An OpenID provider for the tests: whoever /next names is signed in without being asked.
import { generateKeyPairSync } from "node:crypto";
import http from "node:http";
import { pathToFileURL } from "node:url";

const [folder, port, redirect, alg] = process.argv.slice(2);
const main = pathToFileURL(`${folder}/node_modules/oidc-provider/lib/index.js`);
const { Provider } = await import(main);

const issuer = `http://127.0.0.1:${port}`;
let next = { accountId: "nobody", acr: "password", amr: ["pwd"] };

const client = { client_id: "alertd", client_secret: "an example/secret" };
const { privateKey } =
  alg === "RS256"
    ? generateKeyPairSync("rsa", { modulusLength: 2048 })
    : generateKeyPairSync("ed25519");

const provider = new Provider(issuer, {
  clients: [{ ...client, redirect_uris: [redirect], id_token_signed_response_alg: alg }],
  enabledJWA: { idTokenSigningAlgValues: [alg] },
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), alg, kid: "one", use: "sig" }] },
  acrValues: ["password", "two-factors"],
  claims: { acr: null, auth_time: null, iss: null, openid: ["sub", "amr"] },
  features: { devInteractions: { enabled: false } },
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  async loadExistingGrant(ctx) {
    const { client, session } = ctx.oidc;
    const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope("openid");
    await grant.save();
    return grant;
  },
  cookies: { keys: ["example"] },
});

const answer = provider.callback();
http
  .createServer(async (request, response) => {
    const url = new URL(request.url, issuer);
    if (url.pathname === "/next") {
      next = JSON.parse(url.searchParams.get("login"));
      response.end();
    } else if (url.pathname.startsWith("/interaction/")) {
      const done = next.accountId ? { login: next } : { error: "access_denied" };
      await provider.interactionFinished(request, response, done);
    } else {
      answer(request, response);
    }
  })
  .listen(Number(port), "127.0.0.1", () => console.log("listening"));
