/** Whatever a controller or the framework throws on HTTP goes out through the door's one translation. */
import { type ArgumentsHost, Catch, type ExceptionFilter } from "@nestjs/common";
import type { HttpDoor } from "./http-door.js";
import type { HttpReply, HttpRequest } from "./http-types.js";

@Catch()
export class HttpErrorsFilter implements ExceptionFilter {
  constructor(private readonly door: HttpDoor) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const reply = http.getResponse<HttpReply & { readonly sent: boolean }>();
    if (!reply.sent) this.door.fail(http.getRequest<HttpRequest>(), reply, error);
  }
}
