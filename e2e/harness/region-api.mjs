/**
 * An API of a region: an order is written to the region's PostgreSQL and Redis, with a secret read from its
 * Vault; reading it back asks both. Started as `node region-api.mjs SETTINGS-AS-JSON INSTANCE`.
 */
import { createServer } from "node:http";
import { Redis } from "ioredis";
import pg from "pg";

const { ports, database, redisPort, vault, token } = JSON.parse(process.argv[2] ?? "{}");
const instance = Number(process.argv[3]);
const timeouts = { connectionTimeoutMillis: 2_000, query_timeout: 4_000 };
const pool = new pg.Pool({ connectionString: database, max: 2, ...timeouts });
pool.on("error", () => {});
const redis = new Redis(redisPort, "127.0.0.1", { maxRetriesPerRequest: 1 });
redis.on("error", () => {});

async function answer(request) {
  const { pathname } = new URL(request.url, "http://api");
  if (request.method === "POST" && pathname === "/orders") {
    let text = "";
    for await (const piece of request) text += piece;
    const { marker } = JSON.parse(text);
    const secret = await fetch(`${vault}/v1/secret/data/app`, { headers: { "x-vault-token": token } });
    if (secret.status !== 200) return [503, { because: `Vault answers ${secret.status}` }];
    await pool.query("insert into orders (marker) values ($1)", [marker]);
    await redis.set(`order:${marker}`, "1");
    return [201, { marker, instance }];
  }
  const [, marker] = /^\/orders\/([\w-]+)$/.exec(pathname) ?? [];
  if (marker === undefined) return [404, {}];
  const { rows } = await pool.query("select marker from orders where marker = $1", [marker]);
  const isCached = (await redis.get(`order:${marker}`)) === "1";
  return rows.length === 1 && isCached ? [200, { marker, instance }] : [404, { rows: rows.length, isCached }];
}

createServer(async (request, response) => {
  const [status, body] = await answer(request).catch((error) => [503, { because: error.message }]);
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}).listen(ports[instance - 1], "127.0.0.1");
