// The Digital Credentials Query Language by dcql.
import { DcqlQuery } from 'dcql'

function parsed(query) {
  const read = DcqlQuery.parse(query)
  DcqlQuery.validate(read)
  return read
}

export const parse = ({ query }) => parsed(query) && true

export const match = ({ query, credentials }) => DcqlQuery.query(parsed(query), credentials)
