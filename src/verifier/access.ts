/** What a token that was accepted lets its holder do. Frozen and shared between calls. */
export interface Access {
  /** `alice@example.com` or `workload:invoice-bot` */
  readonly subject: string
  readonly clientId: string
  readonly scopes: readonly string[]
  readonly grantId: string
  /** The token's `jti`. */
  readonly tokenId: string
  readonly issuedAt: Date
  readonly expiresAt: Date
  /** Whether the token is bound to a key (RFC 9449), so that it is good only together with a proof. */
  readonly isProofBound: boolean
}
