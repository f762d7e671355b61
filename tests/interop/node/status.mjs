// Token Status Lists: JWT by @sd-jwt/jwt-status-list, JWT and CWT by @owf/token-status-list.
import * as older from '@sd-jwt/jwt-status-list'
import * as newer from '@owf/token-status-list'
import { CoseKey, Sign1 } from '@owf/cose'
import * as keys from './keys.mjs'

const LIBRARIES = { '@sd-jwt/jwt-status-list': older, '@owf/token-status-list': newer }
const STATUS_LIST_CWT = 'application/statuslist+cwt'
const segment = value => Buffer.from(value).toString('base64url')

export function issueJwt({ library, key, uri, at, expires, bits, values }) {
  const { StatusList, createHeaderAndPayload } = LIBRARIES[library]
  const claims = { sub: uri, iat: at, exp: expires }
  const { header, payload } = createHeaderAndPayload(new StatusList(values, bits), claims, { alg: keys.jose(key), typ: 'statuslist+jwt' })
  const signed = `${segment(JSON.stringify(header))}.${segment(JSON.stringify(payload))}`
  return `${signed}.${segment(keys.sign(key, Buffer.from(signed)))}`
}

export function readJwt({ library, key, token }) {
  const [header, payload, signature] = token.split('.')
  if (!keys.verify(key, Buffer.from(`${header}.${payload}`), Buffer.from(signature, 'base64url'))) throw new Error('signature')
  const list = LIBRARIES[library].getListFromStatusListJWT(token)
  return { bits: list.getBitsPerStatus(), values: list.statusList, claims: JSON.parse(Buffer.from(payload, 'base64url')) }
}

// What is absent they write as undefined, so both optional members are always there but where a test asks otherwise.
export async function issueCwt({ key, uri, at, expires, ttl, aggregation, bits, values }) {
  const token = new newer.StatusListCwt({
    payload: {
      subject: uri,
      statusList: new newer.StatusList(values, bits, aggregation),
      issuedAt: new Date(at * 1000),
      expirationTime: new Date(expires * 1000),
      timeToLive: ttl,
    },
    protectedHeaders: new Map([[1, keys.cose(key)], [16, STATUS_LIST_CWT]]),
  })
  const options = { signingKey: CoseKey.create(keys.coseOptions(key)), algorithm: keys.cose(key) }
  return keys.toBase64(await token.signAndEncode(options, { sign: ({ toBeSigned }) => keys.sign(key, toBeSigned) }))
}

export async function readCwt({ key, token }) {
  const bytes = keys.fromBase64(token)
  const verify = ({ sign1 }) => keys.verify(key, sign1.toBeSigned, sign1.signature)
  const verified = await Sign1.decode(bytes).verifySignature({ key: CoseKey.create(keys.coseOptions(key)) }, { verify })
  if (!verified) throw new Error('signature')
  const { payload } = newer.StatusListCwt.fromToken(bytes)
  const time = date => date && date.getTime() / 1000
  return {
    uri: payload.subject,
    at: time(payload.issuedAt),
    expires: time(payload.expirationTime),
    ttl: payload.timeToLive,
    bits: payload.statusList.getBitsPerStatus(),
    values: payload.statusList.statusList,
  }
}
