/**
 * What of Route 53's API the control plane uses (REST and XML, 2013-04-01), by its documentation: record sets listed and
 * changed all or nothing, and changes that are not everywhere at once. A contract server and not the real thing: tests that
 * use it run against another when ROUTE53_TEST_ENDPOINT, ROUTE53_TEST_ZONE and ROUTE53_TEST_NAME are set (a name in that
 * zone that is theirs), with AWS' own variables for credentials.
 */
import { createServer, type Server } from "node:http";

interface Stored {
  readonly name: string;
  readonly type: string;
  readonly setIdentifier: string;
  /** The record set as it was sent, without white space between tags. */
  readonly xml: string;
}

const NAMESPACE = "https://route53.amazonaws.com/doc/2013-04-01/";
/** So often a change is said to be pending. */
const PENDING_ASKED = 1;
const POLICIES = ["Weight", "Failover", "Region", "GeoLocation", "MultiValueAnswer"];

export class Route53Contract {
  readonly zone = "Z0MAINSTAY";
  /** Bodies of the changes that were taken. */
  readonly changes: string[] = [];
  readonly #server: Server;
  readonly #pending = new Map<string, number>();
  #records: readonly Stored[] = [];

  private constructor() {
    this.#server = createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      request.on("end", () => {
        const { status, xml } = this.#answer(
          request.method ?? "",
          new URL(request.url ?? "", "http://any"),
          body,
        );
        response.writeHead(status, { "content-type": "text/xml" }).end(`<?xml version="1.0"?>\n${xml}`);
      });
    });
  }

  static async start(): Promise<Route53Contract> {
    const contract = new Route53Contract();
    await new Promise<void>((resolve) => contract.#server.listen(0, "127.0.0.1", resolve));
    return contract;
  }

  /** Where tests go, and which name there is theirs. */
  get place(): { readonly endpoint: string; readonly hostedZoneId: string; readonly name: string } {
    const { ROUTE53_TEST_ENDPOINT: endpoint, ROUTE53_TEST_ZONE: zone, ROUTE53_TEST_NAME: name } = process.env;
    return endpoint !== undefined && zone !== undefined && name !== undefined
      ? { endpoint, hostedZoneId: zone, name }
      : { endpoint: this.url, hostedZoneId: this.zone, name: "shop.example.org" };
  }

  /** False: the tests go elsewhere, and what is stored here tells nothing. */
  get isAsked(): boolean {
    return this.place.endpoint === this.url;
  }

  get url(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  }

  /** The weights of a name, by identifier. */
  weights(name: string): Readonly<Record<string, string>> {
    const mine = this.#records.filter((record) => record.name === name && record.setIdentifier !== "");
    return Object.fromEntries(
      mine.map(({ setIdentifier, xml }) => [setIdentifier, inside(xml, "Weight") ?? ""]),
    );
  }

  /** The values of a name and type, however they are written. */
  values(name: string, type: string): readonly string[] {
    const mine = this.#records.filter((record) => record.name === name && record.type === type);
    return mine.flatMap(({ xml }) => all(xml, "Value").map(plainText));
  }

  /** Someone else changes something, by the same rules. */
  change(batch: string): { readonly status: number; readonly xml: string } {
    return this.#change(batch);
  }

  stop(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #answer(method: string, url: URL, body: string): { readonly status: number; readonly xml: string } {
    const [, , what, id, rest] = url.pathname.split("/");
    if (what === "hostedzone" && id !== this.zone)
      return fault(404, "NoSuchHostedZone", `No hosted zone found with ID: ${id}`);
    if (what === "hostedzone" && rest === "rrset")
      return method === "POST" ? this.#change(body) : this.#list(url);
    if (what === "change" && id !== undefined) {
      const left = this.#pending.get(id);
      if (left === undefined) return fault(404, "NoSuchChange", `no change ${id}`);
      this.#pending.set(id, Math.max(0, left - 1));
      return { status: 200, xml: wrap("GetChangeResponse", changeInfo(id, left > 0 ? "PENDING" : "INSYNC")) };
    }
    return fault(400, "InvalidInput", `${method} ${url.pathname}`);
  }

  #list(url: URL): { readonly status: number; readonly xml: string } {
    const from = (url.searchParams.get("name") ?? "").replace(/\.$/, "");
    const type = url.searchParams.get("type") ?? "";
    // In the service's own order: names by their labels from the last, then types, then identifiers.
    const key = (name: string, kind: string): string => `${name.split(".").reverse().join(".")} ${kind}`;
    const found = this.#records
      .filter((record) => key(record.name, record.type) >= key(from, type))
      .sort((a, b) => (key(a.name, a.type) < key(b.name, b.type) ? -1 : 1));
    const sets = found.map(({ xml }) => `<ResourceRecordSet>${xml}</ResourceRecordSet>`).join("");
    const inner = `<ResourceRecordSets>${sets}</ResourceRecordSets><IsTruncated>false</IsTruncated><MaxItems>300</MaxItems>`;
    return { status: 200, xml: wrap("ListResourceRecordSetsResponse", inner) };
  }

  #change(body: string): { readonly status: number; readonly xml: string } {
    const messages: string[] = [];
    let next = [...this.#records];
    for (const change of all(body, "Change")) {
      const action = inside(change, "Action") ?? "";
      const xml = (inside(change, "ResourceRecordSet") ?? "").replace(/>\s+</g, "><");
      const name = (inside(xml, "Name") ?? "").replace(/\.$/, "");
      const type = inside(xml, "Type") ?? "";
      const setIdentifier = inside(xml, "SetIdentifier") ?? "";
      const is = (one: Stored): boolean =>
        one.name === name && one.type === type && one.setIdentifier === setIdentifier;
      const stands = next.find(is);
      const record = `resource record set [name='${name}.', type='${type}']`;
      const policies = POLICIES.filter((policy) => inside(xml, policy) !== undefined);
      if (policies.length > 1)
        messages.push(`${record} has more than one routing policy: ${policies.join(", ")}`);
      if (policies.length > 0 && setIdentifier === "") messages.push(`${record} has no SetIdentifier`);
      if (action === "CREATE" && stands !== undefined)
        messages.push(`Tried to create ${record} but it already exists`);
      if (action === "DELETE" && stands === undefined)
        messages.push(`Tried to delete ${record} but it was not found`);
      if (action === "DELETE" && stands !== undefined && parts(stands.xml) !== parts(xml))
        messages.push(`Tried to delete ${record} but the values provided do not match the current values`);
      next = next.filter((one) => !is(one));
      if (action !== "DELETE") next.push({ name, type, setIdentifier, xml });
    }
    if (messages.length > 0) {
      const inner = `<Messages>${messages.map((text) => `<Message>${text}</Message>`).join("")}</Messages>`;
      return { status: 400, xml: wrap("InvalidChangeBatch", `${inner}<RequestId>1</RequestId>`) };
    }
    this.#records = next;
    this.changes.push(body);
    const id = `C${this.changes.length}`;
    this.#pending.set(id, PENDING_ASKED);
    return { status: 200, xml: wrap("ChangeResourceRecordSetsResponse", changeInfo(id, "PENDING")) };
  }
}

const wrap = (name: string, inner: string): string => `<${name} xmlns="${NAMESPACE}">${inner}</${name}>`;

const changeInfo = (id: string, status: string): string =>
  `<ChangeInfo><Id>/change/${id}</Id><Status>${status}</Status><SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt></ChangeInfo>`;

const fault = (status: number, code: string, message: string) => ({
  status,
  xml: wrap(
    "ErrorResponse",
    `<Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error><RequestId>1</RequestId>`,
  ),
});

const all = (xml: string, tag: string): readonly string[] =>
  [...xml.matchAll(new RegExp(`<${tag}>(.*?)</${tag}>`, "gs"))].map(([, inner = ""]) => inner);

const inside = (xml: string, tag: string): string | undefined => all(xml, tag)[0];

/** The same values in another order are the same record set. */
const parts = (xml: string): string =>
  (xml.replace(/\.</g, "<").match(/<(\w+)>[^<]*<\/\1>/g) ?? []).sort().join("");

const plainText = (text: string): string => text.replaceAll("&quot;", '"').replaceAll("&amp;", "&");
