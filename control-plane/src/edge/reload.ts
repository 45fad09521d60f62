/** `-/reload`: files are watched anyway; this is for scripts that ask for it and want to hear whether it went well. */
import type { HttpDoor } from "./http-door.js";
import { refuseForeignPage } from "./http-endpoint.js";
import type { HttpReply, HttpRequest } from "./http-types.js";

/** Reads everything that is read from files again; answers why something is not in force, or nothing. */
export type Reload = () => Promise<readonly string[]>;

/** `-/reload` of both servers. */
export async function answerReload(
  door: HttpDoor,
  reload: Reload,
  request: HttpRequest,
  reply: HttpReply,
): Promise<void> {
  door.admit(request, "prometheus.v1/Reload");
  refuseForeignPage(request.headers);
  const faults = await reload();
  if (faults.length === 0) reply.code(200).send("");
  else reply.code(500).send(`failed to reload config: ${faults.join("; ")}\n`);
}
