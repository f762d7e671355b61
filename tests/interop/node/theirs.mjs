// An issuer and a verifier by @openid4vc/openid4vci, oauth2 and openid4vp, on HTTPS of their own. What they issue and
// check is by @sd-jwt/* and @owf/mdoc. One of each at a time, kept between calls.
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:https'
import { exportJWK, generateKeyPair } from 'jose'
import { Openid4vciIssuer } from '@openid4vc/openid4vci'
import { Openid4vpVerifier } from '@openid4vc/openid4vp'
import { Oauth2AuthorizationServer, Oauth2ResourceServer, Oauth2ServerErrorResponseError } from '@openid4vc/oauth2'
import * as keys from './keys.mjs'
import * as mdoc from './mdoc.mjs'
import * as sdJwt from './sd_jwt.mjs'
import { callbacks, open, signerOf, thumbprint } from './online.mjs'

const CODE = 'authorization_code'
const PRE_AUTHORIZED = 'urn:ietf:params:oauth:grant-type:pre-authorized_code'
const secret = () => randomBytes(24).toString('base64url')
const json = (body, status = 200, headers = {}) => ({ status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })

let server
let routes = {}

async function read(request) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

// Listens, and says where. What is served is decided by the calls that follow.
export async function listen({ key, certificate }) {
  routes = {}
  server = createServer({ key, cert: certificate }, async (request, response) => {
    const place = new URL(request.url, `https://${request.headers.host}`)
    let answer
    try {
      const route = routes[`${request.method} ${place.pathname}`]
      const headers = new Headers(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
      const body = await read(request)
      const asked = { headers, method: request.method, url: place.toString() }
      answer = route ? await route({ asked, body, form: Object.fromEntries(new URLSearchParams(body)), query: place.searchParams }) : json({}, 404)
    } catch (error) {
      const known = error instanceof Oauth2ServerErrorResponseError
      if (!known) console.error(error)
      answer = json(known ? error.errorResponse : { error: 'server_error', error_description: String(error) }, known ? (error.status ?? 400) : 500)
    }
    response.writeHead(answer.status, answer.headers)
    response.end(answer.body)
  })
  await new Promise(done => server.listen(0, '127.0.0.1', done))
  return `https://localhost:${server.address().port}`
}

export async function close() {
  server.closeAllConnections()
  await new Promise(done => server.close(done))
}

// `credentials`: by configuration id, its metadata and what is issued (`claims` and `frame`, or `namespaces`).
export async function offer({ url, signingKey, chain, tokenKey, credentials, txCode, grant, issued }) {
  // The resource server fetches the keys of the authorization server, which is this one.
  const jwks = { keys: [{ ...open(tokenKey), kid: 'token', alg: keys.jose(tokenKey), use: 'sig' }] }
  const fetch = async () => new Response(JSON.stringify(jwks), { headers: { 'content-type': 'application/jwk-set+json' } })
  const shared = callbacks({ fetch, own: [tokenKey] })
  const issuer = new Openid4vciIssuer({ callbacks: shared })
  const server = new Oauth2AuthorizationServer({ callbacks: shared })
  const guard = new Oauth2ResourceServer({ callbacks: shared })
  const credentialIssuer = issuer.createCredentialIssuerMetadata({
    credential_issuer: url,
    credential_endpoint: `${url}/credential`,
    nonce_endpoint: `${url}/nonce`,
    notification_endpoint: `${url}/notification`,
    batch_credential_issuance: { batch_size: 5 },
    credential_configurations_supported: Object.fromEntries(Object.entries(credentials).map(([id, one]) => [id, one.metadata])),
  })
  const authorizationServer = server.createAuthorizationServerMetadata({
    issuer: url,
    jwks_uri: `${url}/jwks`,
    token_endpoint: `${url}/token`,
    authorization_endpoint: `${url}/authorize`,
    pushed_authorization_request_endpoint: `${url}/par`,
    require_pushed_authorization_requests: true,
    grant_types_supported: [CODE, PRE_AUTHORIZED],
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
    dpop_signing_alg_values_supported: ['ES256'],
    token_endpoint_auth_methods_supported: ['none'],
    authorization_response_iss_parameter_supported: true,
    'pre-authorized_grant_anonymous_access_supported': true,
  })
  const issuerMetadata = {
    credentialIssuer,
    authorizationServers: [authorizationServer],
    knownCredentialConfigurations: issuer.getKnownCredentialConfigurationsSupported(credentialIssuer),
    originalDraftVersion: 'V1',
  }
  const code = secret()
  const state = secret()
  const seen = { events: [] }
  const nonces = new Set()
  const pushed = new Map()

  routes['GET /.well-known/openid-credential-issuer'] = () => json(credentialIssuer)
  routes['GET /.well-known/oauth-authorization-server'] = () => json(authorizationServer)
  routes['POST /nonce'] = () => {
    const nonce = secret()
    nonces.add(nonce)
    return json(issuer.createNonceResponse({ cNonce: nonce }), 200, { 'cache-control': 'no-store' })
  }
  routes['POST /par'] = async ({ asked, form }) => {
    const parsed = await server.parsePushedAuthorizationRequest({ authorizationRequest: form, request: asked })
    const dpop = parsed.dpop && { ...parsed.dpop, required: true, allowedSigningAlgs: ['ES256'] }
    await server.verifyPushedAuthorizationRequest({ ...parsed, authorizationServerMetadata: authorizationServer, request: asked, dpop, clientAttestation: undefined })
    seen.state = parsed.authorizationRequest.issuer_state === state
    const requestUri = `urn:ietf:params:oauth:request_uri:${secret()}`
    pushed.set(requestUri, parsed.authorizationRequest)
    return json(server.createPushedAuthorizationResponse({ requestUri, expiresInSeconds: 60 }).pushedAuthorizationResponse, 201)
  }
  routes['GET /authorize'] = ({ query }) => {
    const request = pushed.get(query.get('request_uri'))
    const back = new URL(request.redirect_uri)
    for (const [name, value] of Object.entries({ code, iss: url, ...(request.state && { state: request.state }) })) back.searchParams.set(name, value)
    seen.request = request
    return { status: 302, headers: { location: back.toString() }, body: '' }
  }
  routes['POST /token'] = async ({ asked, form }) => {
    const parsed = server.parseAccessTokenRequest({ accessTokenRequest: form, request: asked })
    const { jwt } = parsed.dpop ?? {}
    const usual = { grant: parsed.grant, request: asked, authorizationServerMetadata: authorizationServer }
    const dpop = { jwt, required: grant === CODE, allowedSigningAlgs: ['ES256'] }
    const pkce = seen.request && {
      codeVerifier: parsed.pkceCodeVerifier,
      codeChallenge: seen.request.code_challenge,
      codeChallengeMethod: seen.request.code_challenge_method,
    }
    const checked =
      parsed.grant.grantType === CODE
        ? await server.verifyAuthorizationCodeAccessTokenRequest({ ...usual, dpop, pkce, expectedCode: code, accessTokenRequest: parsed.accessTokenRequest })
        : await server.verifyPreAuthorizedCodeAccessTokenRequest({
            ...usual,
            dpop,
            expectedPreAuthorizedCode: code,
            expectedTxCode: txCode,
            accessTokenRequest: parsed.accessTokenRequest,
          })
    seen.grant = parsed.grant.grantType
    seen.dpop = Boolean(checked.dpop)
    const response = await server.createAccessTokenResponse({
      audience: url,
      authorizationServer: url,
      expiresInSeconds: 300,
      subject: 'applicant',
      clientId: form.client_id,
      signer: signerOf(tokenKey),
      dpop: checked.dpop,
    })
    return json(response, 200, { 'cache-control': 'no-store' })
  }
  const guarded = asked =>
    guard.verifyResourceRequest({ authorizationServers: [authorizationServer], request: asked, resourceServer: url })
  routes['POST /credential'] = async ({ asked, body }) => {
    await guarded(asked)
    const parsed = issuer.parseCredentialRequest({ issuerMetadata, credentialRequest: JSON.parse(body) })
    const chosen = credentials[parsed.credentialConfigurationId]
    const made = []
    for (const jwt of parsed.proofs.jwt) {
      const expectedNonce = JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url')).nonce
      if (!nonces.has(expectedNonce)) throw new Oauth2ServerErrorResponseError({ error: 'invalid_nonce' })
      const { signer } = await issuer.verifyCredentialRequestJwtProof({ issuerMetadata, jwt, expectedNonce })
      made.push(await certify(chosen, { signingKey, chain, issued, holder: signer.publicJwk }))
    }
    seen.copies = made.length
    const response = issuer.createCredentialResponse({
      credentialRequest: parsed,
      credentials: made.map(credential => ({ credential })),
      notificationId: 'n-1',
    })
    return json(response, 200, { 'cache-control': 'no-store' })
  }
  routes['POST /notification'] = async ({ asked, body }) => {
    await guarded(asked)
    seen.events.push(JSON.parse(body).event)
    return { status: 204, headers: {}, body: '' }
  }
  routes.seen = seen
  const created = await issuer.createCredentialOffer({
    issuerMetadata,
    credentialConfigurationIds: Object.keys(credentials),
    grants: grant === CODE ? { [CODE]: { issuer_state: state } } : { [PRE_AUTHORIZED]: { 'pre-authorized_code': code, ...(txCode && { tx_code: { length: txCode.length, input_mode: 'numeric' } }) } },
  })
  return created.credentialOffer
}

export const seen = () => routes.seen

async function certify({ metadata, claims, frame, doctype, namespaces }, { signingKey, chain, issued, holder }) {
  if (metadata.format === 'mso_mdoc') {
    const { signed, until } = issued
    const document = await mdoc.issue({ doctype, namespaces, key: signingKey, chain, deviceKey: holder, hash: 'SHA-256', signed, until })
    return Buffer.from(document, 'base64').toString('base64url')
  }
  const whole = { ...claims, cnf: { jwk: holder } }
  return sdJwt.issue({ claims: whole, frame, key: signingKey, header: { typ: 'dc+sd-jwt', x5c: chain } })
}

// A request for `query` by a verifier with a certificate; its answer is checked when it comes (`verdict`).
export async function ask({ url, readerKey, chain, clientId, query, issuerKey, trusted, method = 'get', redirectUri }) {
  const pair = await generateKeyPair('ECDH-ES', { crv: 'P-256', extractable: true })
  const decryptionJwk = { ...(await exportJWK(pair.privateKey)), kid: 'enc-1', alg: 'ECDH-ES', use: 'enc' }
  const shared = callbacks({ own: [readerKey], decryptWith: [decryptionJwk] })
  const verifier = new Openid4vpVerifier({ callbacks: shared })
  const asked = {
    response_type: 'vp_token',
    response_mode: 'direct_post.jwt',
    client_id: clientId,
    response_uri: `${url}/response`,
    nonce: secret(),
    state: secret(),
    dcql_query: query,
    client_metadata: {
      jwks: { keys: [open(decryptionJwk)] },
      encrypted_response_enc_values_supported: ['A128GCM', 'A256GCM'],
      vp_formats_supported: {
        'dc+sd-jwt': { 'sd-jwt_alg_values': ['ES256'], 'kb-jwt_alg_values': ['ES256'] },
        mso_mdoc: { issuerauth_alg_values: [-7], deviceauth_alg_values: [-7] },
      },
    },
  }
  const make = payload =>
    verifier.createOpenId4vpAuthorizationRequest({
      scheme: 'openid4vp://',
      authorizationRequestPayload: payload,
      wallet: { expectedNonce: payload.wallet_nonce },
      jar: {
        requestUri: `${url}/request`,
        expiresInSeconds: 120,
        jwtSigner: { method: 'x5c', x5c: chain, alg: keys.jose(readerKey) },
        additionalJwtPayload: { aud: 'https://self-issued.me/v2' },
      },
    })
  const created = await make(asked)
  const object = jwt => ({ status: 200, headers: { 'content-type': 'application/oauth-authz-req+jwt' }, body: jwt })
  routes['GET /request'] = () => object(created.jar.authorizationRequestJwt)
  routes['POST /request'] = async ({ form }) => object((await make({ ...asked, wallet_nonce: form.wallet_nonce })).jar.authorizationRequestJwt)
  const told = {}
  routes.verdict = told
  routes['POST /response'] = async ({ form }) => {
    const parsed = await verifier.parseOpenid4vpAuthorizationResponse({
      authorizationRequestPayload: asked,
      authorizationResponse: form,
      callbacks: shared,
    })
    told.mode = parsed.jarm?.type ?? 'plain'
    told.state = parsed.authorizationResponsePayload.state === asked.state
    const session = { clientId, nonce: asked.nonce, responseUri: asked.response_uri, thumbprint: await thumbprint(decryptionJwk) }
    told.presentations = {}
    for (const [id, all] of Object.entries(parsed.dcql.presentations)) {
      told.presentations[id] = await Promise.all(all.map(one => check(one, query.credentials.find(row => row.id === id), { session, issuerKey, trusted })))
    }
    return json(redirectUri ? { redirect_uri: redirectUri } : {})
  }
  const uri = new URL(created.authorizationRequest)
  if (method === 'post') uri.searchParams.set('request_uri_method', 'post')
  return uri.toString()
}

async function check(shown, row, { session, issuerKey, trusted }) {
  const at = Math.floor(Date.now() / 1000)
  if (row.format === 'mso_mdoc') {
    return mdoc.verify({ response: Buffer.from(shown, 'base64url').toString('base64'), session, trusted, at })
  }
  const { payload, kb } = await sdJwt.verify({ presentation: shown, key: issuerKey, nonce: session.nonce, at })
  if (kb.payload.aud !== session.clientId) throw new Error('for another verifier')
  return payload
}

export const verdict = () => routes.verdict
