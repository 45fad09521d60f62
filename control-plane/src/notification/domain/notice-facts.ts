/** What the journal says of a notice: bounded, for its names are made of labels. */
import { cleanText } from "../../kernel/clean-text.js";
import type { NoticeData } from "./notice-data.js";

/** A group's name for the journal is bounded: it is made of labels. */
const GROUP_KEY_SHOWN = 500;

/** What the journal says of a notice. */
export function noticeFacts(notice: {
  readonly receiver: string;
  readonly integration: string;
  readonly reason: string;
  readonly groupKey: string;
  readonly data: NoticeData;
}): Record<string, string | number> {
  const { alerts } = notice.data;
  return {
    receiver: cleanText(notice.receiver, GROUP_KEY_SHOWN),
    integration: notice.integration,
    reason: notice.reason,
    groupKey: cleanText(notice.groupKey, GROUP_KEY_SHOWN),
    firing: alerts.filter(({ status }) => status === "firing").length,
    resolved: alerts.filter(({ status }) => status === "resolved").length,
  };
}
