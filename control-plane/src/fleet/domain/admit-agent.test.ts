import { expect, test } from "vitest";
import { type AdmissionFacts, admitAgent } from "./admit-agent.js";

const NOW = 1_000;
const known = {
  nodeId: "n-1",
  name: "db-1",
  revokedAt: undefined,
  revokedBecause: "",
  certificateRevokedAt: undefined,
  certificateExpiresAt: NOW + 1,
};
const day = (at: number): string => `day ${at}`;

test.each<{ when: string; facts: Partial<AdmissionFacts>; gives: object }>([
  { when: "all is well, 1 ms before the end", facts: {}, gives: { kind: "admitted" } },
  {
    when: "the certificate is not known",
    facts: { known: undefined },
    gives: {
      code: "PERMISSION_DENIED",
      because: expect.stringContaining("not one that this control plane gave out"),
    },
  },
  {
    when: "the certificate is another node's",
    facts: { claimed: "n-2" },
    gives: { code: "PERMISSION_DENIED" },
  },
  {
    when: "the node was revoked",
    facts: { known: { ...known, revokedAt: 7, revokedBecause: "sold" } },
    gives: { code: "PERMISSION_DENIED", because: 'certificate of node "db-1" was revoked at day 7: sold' },
  },
  {
    when: "the certificate was revoked, for the node has another key",
    facts: { known: { ...known, certificateRevokedAt: 8 } },
    gives: {
      code: "PERMISSION_DENIED",
      because: 'certificate of node "db-1" was revoked at day 8: the node enrolled again with another key',
    },
  },
  {
    when: "the certificate ends now",
    facts: { known: { ...known, certificateExpiresAt: NOW } },
    gives: {
      code: "UNAUTHENTICATED",
      because: 'certificate of node "db-1" expired at day 1000; enroll again',
    },
  },
])("when $when", ({ facts, gives }) => {
  expect(admitAgent({ claimed: "n-1", known, ...facts }, NOW, day)).toMatchObject(gives);
});
