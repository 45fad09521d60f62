/** What failover writes into the database itself: who opened it in which epoch, and that it takes writes. */
import type { Epoch, NodeId } from "@mainstay/proto/failover/words";
import { type Asks, textOf } from "./connection.js";

/** Once for each epoch. Waits for no replica: the primary is alone when it begins. */
export async function writeEpoch(asks: Asks, node: NodeId, epoch: Epoch): Promise<void> {
  await asks("set synchronous_commit = local");
  await asks("create schema if not exists mainstay");
  await asks(
    `create table if not exists mainstay.failover_epoch (
       epoch bigint primary key, node text not null, opened_at timestamptz not null default now())`,
  );
  await asks("insert into mainstay.failover_epoch (epoch, node) values ($1, $2) on conflict do nothing", [
    epoch,
    node,
  ]);
}

/** Writes a row and reads it again. Throws when it is not there as written. */
export async function probe(asks: Asks, node: NodeId, epoch: Epoch): Promise<void> {
  await asks("set synchronous_commit = local");
  await asks(
    `create table if not exists mainstay.failover_probe (
       node text primary key, epoch bigint not null, at timestamptz not null)`,
  );
  await asks(
    `insert into mainstay.failover_probe values ($1, $2, now())
     on conflict (node) do update set epoch = excluded.epoch, at = now()`,
    [node, epoch],
  );
  const [row] = await asks("select epoch::text as epoch from mainstay.failover_probe where node = $1", [
    node,
  ]);
  if (textOf(row?.["epoch"]) !== String(epoch)) throw new Error("the probe was not read as written");
}
