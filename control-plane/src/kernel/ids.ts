/**
 * Names of things, branded so that one cannot stand for another.
 */
declare const brand: unique symbol;
type Branded<Brand extends string> = string & { readonly [brand]: Brand };

export type NodeId = Branded<"NodeId">;
export type CommandId = Branded<"CommandId">;
export type AlertId = Branded<"AlertId">;
export type TokenId = Branded<"TokenId">;

export const nodeId = (text: string): NodeId => text as NodeId;
export const commandId = (text: string): CommandId => text as CommandId;
export const alertId = (text: string): AlertId => text as AlertId;
export const tokenId = (text: string): TokenId => text as TokenId;
