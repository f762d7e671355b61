// SD-JWT VC by @sd-jwt/*. Keys are JWKs, times are seconds.
import { SDJwtVcInstance } from '@sd-jwt/sd-jwt-vc'
import { digest, ES256, ES384, generateSalt, getSigner, getVerifier } from '@sd-jwt/crypto-nodejs'

const ed25519 = [{ name: 'Ed25519' }, { name: 'Ed25519' }]
const EdDSA = { getSigner: key => getSigner(key, ...ed25519), getVerifier: key => getVerifier(key, ...ed25519) }
const ALGS = { ES256, ES384, EdDSA }
const algOf = jwk => ({ 'P-256': 'ES256', 'P-384': 'ES384', Ed25519: 'EdDSA' })[jwk.crv]

// A program's own keys are kept: a benchmark would measure their import else. A holder's are new every time.
const kept = new Map()
async function once(use, key) {
  const name = `${use} ${JSON.stringify(key)}`
  if (!kept.has(name)) kept.set(name, await ALGS[algOf(key)][use](key))
  return kept.get(name)
}
const signerOf = key => once('getSigner', key)
const verifierOf = key => once('getVerifier', key)
const newVerifier = key => ALGS[algOf(key)].getVerifier(key)

export async function issue({ claims, frame, key, header, hash = 'sha-256' }) {
  const config = { signer: await signerOf(key), signAlg: algOf(key), hasher: digest, hashAlg: hash, saltGenerator: generateSalt }
  return new SDJwtVcInstance(config).issue(claims, frame, { header })
}

export async function present({ credential, frame, key, claims, hash = 'sha-256' }) {
  const config = { hasher: digest, hashAlg: hash, kbSigner: await signerOf(key), kbSignAlg: algOf(key) }
  return new SDJwtVcInstance(config).present(credential, frame, { kb: { payload: claims } })
}

// `statusTokens` are Status List Tokens (JWT) by address, all of one signer.
export async function verify({ presentation, key, nonce, at, statusTokens = {}, statusKey = key, hash = 'sha-256' }) {
  const instance = new SDJwtVcInstance({
    verifier: await verifierOf(key),
    hasher: digest,
    hashAlg: hash,
    kbVerifier: async (data, signature, payload) => (await newVerifier(payload.cnf.jwk))(data, signature),
    statusVerifier: await verifierOf(statusKey),
    statusListFetcher: async uri => statusTokens[uri] ?? Promise.reject(new Error('no such list')),
  })
  const { payload, header, kb } = await instance.verify(presentation, { keyBindingNonce: nonce, currentDate: at })
  return { payload, header, kb }
}
