/** Why grants are stopped in these stories. */
export const givenReason = 'a step of the model'
/** Why more time is asked for. */
export const extensionReason = 'the work takes longer'
