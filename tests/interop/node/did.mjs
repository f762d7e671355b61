// DIDs by key-did-resolver, VCDM 1.1 credentials in JWTs by did-jwt-vc.
import { ES256Signer, EdDSASigner } from 'did-jwt'
import {
  createVerifiableCredentialJwt,
  createVerifiablePresentationJwt,
  verifyCredential,
  verifyPresentation,
} from 'did-jwt-vc'
import { Resolver } from 'did-resolver'
import { getResolver } from 'key-did-resolver'
import * as keys from './keys.mjs'

const resolver = new Resolver(getResolver())
const raw = text => new Uint8Array(Buffer.from(text, 'base64url'))

function party(did, key) {
  const signer =
    key.crv === 'Ed25519' ? EdDSASigner(new Uint8Array([...raw(key.d), ...raw(key.x)])) : ES256Signer(raw(key.d))
  return { did, signer, alg: keys.jose(key) }
}

export async function resolve({ did }) {
  const { didDocument, didResolutionMetadata } = await resolver.resolve(did)
  if (didResolutionMetadata.error) throw new Error(didResolutionMetadata.error)
  return didDocument
}

export const issue = ({ payload, did, key }) => createVerifiableCredentialJwt(payload, party(did, key))

export const present = ({ payload, did, key }) => createVerifiablePresentationJwt(payload, party(did, key))

const policies = at => ({ policies: { now: at } })

export async function verify({ token, at }) {
  const { verified, verifiableCredential } = await verifyCredential(token, resolver, policies(at))
  return verified && verifiableCredential
}

export async function verifyShown({ token, at, audience, nonce }) {
  const options = { audience, challenge: nonce, ...policies(at) }
  const { verified, verifiablePresentation } = await verifyPresentation(token, resolver, options)
  return verified && verifiablePresentation
}
