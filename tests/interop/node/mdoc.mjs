// ISO mdoc by @owf/mdoc, which leaves keys, hashes and certificates to its caller: here to node:crypto.
import { createECDH, createHmac, hkdfSync, randomBytes, X509Certificate } from 'node:crypto'
import {
  CoseKey,
  DateOnly,
  DeviceKey,
  DeviceRequest,
  DeviceResponse,
  DocRequest,
  Holder,
  Issuer,
  IssuerSigned,
  ItemsRequest,
  SessionTranscript,
  Verifier,
} from '@owf/mdoc'
import * as keys from './keys.mjs'

const HMAC_256 = 5
const name = (text, field) => text.split('\n').flatMap(line => (line.startsWith(`${field}=`) ? [line.slice(field.length + 1)] : []))
const coseKey = (jwk, algorithm = keys.cose(jwk)) => CoseKey.create({ ...keys.coseOptions(jwk), algorithm })
// The library's own way back from a COSE_Key knows P-256 only, too.
const CURVES = { 1: 'P-256', 2: 'P-384', 6: 'Ed25519' }
const text = bytes => Buffer.from(bytes).toString('base64url')
const jwkOf = key => ({
  kty: key.curve === 6 ? 'OKP' : 'EC',
  crv: CURVES[key.curve],
  x: text(key.x),
  ...(key.y && { y: text(key.y) }),
  ...(key.d && { d: text(key.d) }),
})
// Parsed certificates are kept, as key objects are.
const kept = new Map()
function certificateOf(der) {
  const name = text(der)
  if (!kept.has(name)) kept.set(name, new X509Certificate(der))
  return kept.get(name)
}
const hmac = (key, bytes) => new Uint8Array(createHmac('sha256', key.k).update(bytes).digest())

const ctx = {
  crypto: {
    random: length => new Uint8Array(randomBytes(length)),
    digest: ({ digestAlgorithm, bytes }) => keys.digest(digestAlgorithm, bytes),
    calculateEphemeralMacKey: ({ privateKey, publicKey, sessionTranscriptBytes, info }) => {
      // To make a MAC they come as COSE_Keys, to check one as bare numbers.
      const secretBytes = [32, 48].includes(privateKey.length) ? privateKey : CoseKey.decode(privateKey).privateKey
      const point = publicKey[0] === 4 ? publicKey : CoseKey.decode(publicKey).publicKey
      const exchange = createECDH(secretBytes.length === 32 ? 'prime256v1' : 'secp384r1')
      exchange.setPrivateKey(secretBytes)
      const secret = exchange.computeSecret(point)
      const k = new Uint8Array(hkdfSync('sha256', secret, keys.digest('SHA-256', sessionTranscriptBytes), info, 32))
      return CoseKey.create({ keyType: 4, k, algorithm: HMAC_256 })
    },
  },
  cose: {
    sign1: {
      sign: ({ toBeSigned, key }) => keys.sign(jwkOf(key), toBeSigned),
      verify: ({ key, sign1 }) => keys.verify(jwkOf(key), sign1.toBeSigned, sign1.signature),
    },
    mac0: {
      sign: ({ key, toBeAuthenticated }) => hmac(key, toBeAuthenticated),
      verify: ({ key, mac0 }) => Buffer.compare(hmac(key, mac0.toBeAuthenticated), mac0.tag) === 0,
    },
  },
  x509: {
    getIssuerNameField: ({ certificate, field }) => name(certificateOf(certificate).issuer, field),
    getPublicKey: ({ certificate }) => coseKey(certificateOf(certificate).publicKey.export({ format: 'jwk' })),
    verifyCertificateChain: ({ trustedCertificates, x5chain, now }) => {
      const leaf = certificateOf(x5chain[0])
      const good = trustedCertificates.some(der => leaf.verify(certificateOf(der).publicKey))
      if (!good || new Date(leaf.validFrom) > now || new Date(leaf.validTo) < now) throw new Error('untrusted')
    },
    getCertificateData: ({ certificate }) => {
      const read = certificateOf(certificate)
      return {
        issuerName: read.issuer,
        subjectName: read.subject,
        serialNumber: read.serialNumber,
        thumbprint: read.fingerprint256,
        notBefore: new Date(read.validFrom),
        notAfter: new Date(read.validTo),
        pem: read.toString(),
      }
    },
  },
}

// Dates come as { "date": "2026-01-01" } and bytes as { "bytes": "base64" }; they go back the same way.
function given(value) {
  if (Array.isArray(value)) return value.map(given)
  if (value === null || typeof value !== 'object') return value
  if ('date' in value) return new DateOnly(value.date)
  if ('bytes' in value) return keys.fromBase64(value.bytes)
  return new Map(Object.entries(value).map(([key, inner]) => [key, given(inner)]))
}

function told(value) {
  if (value instanceof DateOnly) return { date: value.toISOString() }
  if (value instanceof Uint8Array) return { bytes: keys.toBase64(value) }
  if (Array.isArray(value)) return value.map(told)
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, inner]) => [String(key), told(inner)]))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, told(inner)]))
}

const claimsOf = issuerSigned =>
  Object.fromEntries(
    [...issuerSigned.issuerNamespaces.issuerNamespaces.keys()].map(one => [one, told(issuerSigned.getPrettyClaims(one))])
  )

const time = seconds => new Date(seconds * 1000)

export async function issue({ doctype, namespaces, key, chain, deviceKey, hash, signed, until }) {
  const issuer = new Issuer(doctype, ctx)
  for (const [namespace, elements] of Object.entries(namespaces)) issuer.addIssuerNamespace(namespace, given(elements))
  const document = await issuer.sign({
    signingKey: coseKey(key),
    algorithm: keys.cose(key),
    digestAlgorithm: hash,
    validityInfo: { signed: time(signed), validFrom: time(signed), validUntil: time(until) },
    deviceKeyInfo: { deviceKey: DeviceKey.create(keys.coseOptions(deviceKey)) },
    certificates: chain.map(keys.fromBase64),
  })
  return keys.toBase64(document.encode())
}

export async function read({ document, trusted, at }) {
  const issuerSigned = IssuerSigned.decode(keys.fromBase64(document))
  await Holder.verifyIssuerSigned({ issuerSigned, trustedCertificates: trusted.map(keys.fromBase64), now: time(at) }, ctx)
  return claimsOf(issuerSigned)
}

async function transcriptOf({ clientId, nonce, responseUri, origin, thumbprint }) {
  const jwkThumbprint = thumbprint ? keys.fromBase64(thumbprint) : undefined
  return origin
    ? SessionTranscript.forOid4VpDcApi({ origin, nonce, jwkThumbprint }, ctx)
    : SessionTranscript.forOid4Vp({ clientId, nonce, responseUri, jwkThumbprint }, ctx)
}

export const transcript = async session => keys.toBase64((await transcriptOf(session)).encode())

// With `readerKey` the device makes a MAC, without it a signature.
export async function present({ document, doctype, wanted, session, deviceKey, readerKey }) {
  const namespaces = Object.fromEntries(
    Object.entries(wanted).map(([namespace, names]) => [namespace, Object.fromEntries(names.map(one => [one, false]))])
  )
  const itemsRequest = ItemsRequest.create({ docType: doctype, namespaces })
  const proof = readerKey
    ? { mac: { ephemeralKey: coseKey(readerKey), signingKey: coseKey(deviceKey, HMAC_256) } }
    : { signature: { signingKey: coseKey(deviceKey) } }
  const response = await Holder.createDeviceResponseForDeviceRequest(
    {
      deviceRequest: DeviceRequest.create({ docRequests: [DocRequest.create({ itemsRequest })] }),
      sessionTranscript: await transcriptOf(session),
      issuerSigned: [IssuerSigned.decode(keys.fromBase64(document))],
      ...proof,
    },
    ctx
  )
  return keys.toBase64(response.encode())
}

export async function verify({ response, session, trusted, at, readerKey }) {
  const deviceResponse = DeviceResponse.decode(keys.fromBase64(response))
  const options = {
    deviceResponse,
    sessionTranscript: await transcriptOf(session),
    ephemeralReaderKey: readerKey ? coseKey(readerKey) : undefined,
    trustedCertificates: trusted.map(keys.fromBase64),
    now: time(at),
  }
  await Verifier.verifyDeviceResponse(options, ctx)
  return deviceResponse.documents.map(({ docType, issuerSigned }) => ({ docType, claims: claimsOf(issuerSigned) }))
}
