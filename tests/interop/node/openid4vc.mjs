// A wallet by @openid4vc/openid4vci, oauth2 and openid4vp: it receives from an issuer and answers a verifier.
import { DcqlQuery } from 'dcql'
import { Openid4vciClient } from '@openid4vc/openid4vci'
import { Openid4vpClient } from '@openid4vc/openid4vp'
import { clientAuthenticationAnonymous, clientAuthenticationClientAttestationJwt, resourceRequest } from '@openid4vc/oauth2'
import * as mdoc from './mdoc.mjs'
import * as sdJwt from './sd_jwt.mjs'
import { callbacks, fetcher, signerOf, thumbprint } from './online.mjs'

const CODE = 'authorization_code'

// The library knows the draft of client attestation before challenges: one is put into its proof here.
function attested(attestation, shared) {
  return async given => {
    const { challenge_endpoint: endpoint } = given.authorizationServerMetadata
    const challenge = endpoint && (await (await shared.fetch(endpoint, { method: 'POST' })).json()).attestation_challenge
    const signJwt = (signer, { header, payload }) =>
      shared.signJwt(signer, { header, payload: challenge ? { ...payload, challenge } : payload })
    const options = { clientAttestationJwt: attestation, callbacks: { ...shared, signJwt } }
    return clientAuthenticationClientAttestationJwt(options)(given)
  }
}

function walletOf({ authority, attestation, instanceKey, dpopKey, holderKeys }) {
  const fetch = fetcher(authority)
  const shared = callbacks({ fetch, own: [instanceKey, dpopKey, ...holderKeys].filter(Boolean) })
  const clientAuthentication = attestation ? attested(attestation, shared) : clientAuthenticationAnonymous()
  return { fetch, shared, client: new Openid4vciClient({ callbacks: { ...shared, clientAuthentication } }) }
}

// The person's browser: it goes where it is sent, with its cookies, until that is the wallet.
async function browse(fetch, url, redirectUri) {
  const cookies = new Map()
  for (let steps = 0; steps < 8; steps += 1) {
    if (url.startsWith(redirectUri)) return url
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await fetch(url, { headers: cookie ? { cookie } : {} })
    const set = answer.headers.get('set-cookie')
    if (set) cookies.set(...set.split(';')[0].split(/=(.*)/s).slice(0, 2))
    const location = answer.headers.get('location')
    if (!location) throw new Error(`the browser stays at ${answer.status} ${await answer.text()}`)
    url = new URL(location, url).toString()
  }
  throw new Error('the browser is sent in circles')
}

async function authorize({ client, fetch, offer, metadata, clientId, redirectUri, dpop, configurationId }) {
  const { scope } = metadata.credentialIssuer.credential_configurations_supported[configurationId]
  const started = await client.initiateAuthorization({
    credentialOffer: offer,
    issuerMetadata: metadata,
    clientId,
    redirectUri,
    scope,
    dpop,
  })
  const back = await browse(fetch, started.authorizationRequestUrl, redirectUri)
  const [authorizationServer] = metadata.authorizationServers
  const response = client.parseAndVerifyAuthorizationResponseRedirectUrl({
    url: back,
    authorizationServerMetadata: authorizationServer,
  })
  if (response.error) throw new Error(`authorization: ${response.error}`)
  return client.retrieveAuthorizationCodeAccessTokenFromOffer({
    credentialOffer: offer,
    issuerMetadata: metadata,
    authorizationCode: response.code,
    pkceCodeVerifier: started.pkce.codeVerifier,
    redirectUri,
    dpop: started.dpop,
  })
}

// Its own `retrieveDeferredCredentials` (0.4.6) refuses a notification_id beside credentials, which section 9.2 allows.
async function fetchDeferred({ issuerMetadata, accessToken, dpop, shared, transactionId }) {
  const { ok, response } = await resourceRequest({
    url: issuerMetadata.credentialIssuer.deferred_credential_endpoint,
    requestOptions: {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ transaction_id: transactionId }),
    },
    accessToken,
    dpop,
    callbacks: shared,
  })
  if (!ok) throw new Error(`deferred: ${response.status} ${await response.text()}`)
  return response.json()
}

// From an offer to credentials: one for each of `holderKeys`. Keys are private JWKs; what is not given is not done.
export async function receive(given) {
  const { fetch, shared, client } = walletOf(given)
  const offer = await client.resolveCredentialOffer(given.offer)
  const metadata = await client.resolveIssuerMetadata(offer.credential_issuer)
  const configurationId = given.configurationId ?? offer.credential_configuration_ids[0]
  const dpop = given.dpopKey && { signer: signerOf(given.dpopKey) }
  const token =
    given.grant === CODE
      ? await authorize({ ...given, client, fetch, offer, metadata, dpop, configurationId })
      : await client.retrievePreAuthorizedCodeAccessTokenFromOffer({
          credentialOffer: offer,
          issuerMetadata: metadata,
          txCode: given.txCode,
          dpop,
        })
  const { access_token: accessToken, refresh_token: refreshToken, token_type: tokenType } = token.accessTokenResponse
  const { c_nonce: nonce } = await client.requestNonce({ issuerMetadata: metadata })
  const proofs = await Promise.all(
    given.holderKeys.map(key =>
      client.createCredentialRequestJwtProof({
        issuerMetadata: metadata,
        credentialConfigurationId: configurationId,
        signer: signerOf(key),
        clientId: given.grant === CODE || given.attestation ? given.clientId : undefined,
        nonce,
      })
    )
  )
  const asked = { issuerMetadata: metadata, accessToken, dpop: token.dpop ?? dpop }
  let { credentialResponse } = await client.retrieveCredentials({
    ...asked,
    credentialConfigurationId: configurationId,
    proofs: { jwt: proofs.map(({ jwt }) => jwt) },
  })
  const deferred = credentialResponse.transaction_id
  if (deferred && given.ready) {
    const answer = await fetch(given.ready.url, { method: 'POST', headers: given.ready.headers, body: given.ready.body })
    if (!answer.ok) throw new Error(`the office says ${answer.status}: ${await answer.text()}`)
    credentialResponse = await fetchDeferred({ ...asked, shared, transactionId: deferred })
  }
  const notified = credentialResponse.notification_id
  if (notified) {
    await client.sendNotification({
      ...asked,
      notification: { notificationId: notified, event: 'credential_accepted' },
    })
  }
  return {
    credentials: (credentialResponse.credentials ?? []).map(({ credential }) => credential),
    format: metadata.credentialIssuer.credential_configurations_supported[configurationId].format,
    draft: metadata.originalDraftVersion,
    known: Object.keys(metadata.knownCredentialConfigurations).length,
    grants: Object.keys(offer.grants),
    deferred: Boolean(deferred),
    notified: Boolean(notified),
    refreshToken: Boolean(refreshToken),
    tokenType,
  }
}

const held = one =>
  one.format === 'mso_mdoc'
    ? {
        credential_format: 'mso_mdoc',
        doctype: one.doctype,
        namespaces: one.claims,
        cryptographic_holder_binding: true,
      }
    : { credential_format: one.format, vct: one.vct, claims: one.claims, cryptographic_holder_binding: true }

// The frame of sd-jwt-js that discloses what the paths of a DCQL query select.
function frameOf(claims) {
  const frame = {}
  for (const { path } of claims) {
    path.reduce((node, part, place) => {
      if (place === path.length - 1) return (node[part] = true)
      if (typeof node[part] !== 'object') node[part] = {}
      return node[part]
    }, frame)
  }
  return frame
}

async function show(one, claims, session) {
  if (one.format === 'mso_mdoc') {
    const wanted = {}
    for (const { path } of claims) (wanted[path[0]] ??= []).push(path[1])
    const document = Buffer.from(one.credential, 'base64url').toString('base64')
    const given = { document, doctype: one.doctype, wanted, session, deviceKey: one.key }
    return Buffer.from(await mdoc.present(given), 'base64').toString('base64url')
  }
  const binding = { iat: Math.floor(Date.now() / 1000), aud: session.clientId, nonce: session.nonce }
  return sdJwt.present({ credential: one.credential, frame: frameOf(claims), key: one.key, claims: binding })
}

// An answer to `request` (a URI) with what `wallet` holds: `{format, credential, key, vct | doctype, claims}`.
export async function answer({ request, authority, roots, wallet }) {
  const shared = callbacks({ fetch: fetcher(authority), roots })
  const client = new Openid4vpClient({ callbacks: shared })
  const parsed = client.parseOpenid4vpAuthorizationRequest({ authorizationRequest: request })
  const resolved = await client.resolveOpenId4vpAuthorizationRequest({ authorizationRequestPayload: parsed.params })
  const { authorizationRequestPayload: asked } = resolved
  const query = DcqlQuery.parse(resolved.dcql.query)
  DcqlQuery.validate(query)
  const matched = DcqlQuery.query(query, wallet.map(held))
  if (!matched.can_be_satisfied) throw new Error(`the wallet has nothing that fits: ${JSON.stringify(matched)}`)
  const jwks = asked.client_metadata?.jwks?.keys ?? []
  const session = {
    clientId: resolved.client.effective,
    nonce: asked.nonce,
    responseUri: asked.response_uri,
    thumbprint: jwks.length ? await thumbprint(jwks[0]) : undefined,
  }
  const shown = {}
  for (const one of query.credentials) {
    const match = matched.credential_matches[one.id]
    if (!match?.success) continue
    const [{ input_credential_index: place, claims }] = match.valid_credentials
    const chosen = claims.valid_claim_sets[0].valid_claim_indexes ?? []
    shown[one.id] = [await show(wallet[place], chosen.map(index => one.claims[index]), session)]
  }
  const response = await client.createOpenid4vpAuthorizationResponse({
    authorizationRequestPayload: asked,
    authorizationResponsePayload: { vp_token: shown },
    ...(asked.response_mode.endsWith('.jwt') && {
      jarm: {
        encryption: {},
        serverMetadata: {
          authorization_signing_alg_values_supported: [],
          authorization_encryption_alg_values_supported: ['ECDH-ES'],
          authorization_encryption_enc_values_supported: ['A128GCM', 'A256GCM'],
        },
      },
    }),
  })
  const { response: answered, responseMode } = await client.submitOpenid4vpAuthorizationResponse({
    authorizationRequestPayload: asked,
    authorizationResponsePayload: response.authorizationResponsePayload,
    jarm: response.jarm,
  })
  return {
    status: answered.status,
    type: answered.headers.get('content-type'),
    body: await answered.text(),
    mode: responseMode,
    prefix: resolved.client.prefix,
    version: resolved.version,
    disclosed: Object.keys(shown),
  }
}
