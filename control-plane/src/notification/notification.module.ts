/** Notification's door: alerts to people. */
export { fingerprintOf } from "./domain/fingerprint.js";
export { formatMatcher, formatMatchers, type LabelMatcher, parseMatchers } from "./domain/matcher.js";
export { type Silence, type SilenceRequest, type SilenceState, silenceState } from "./domain/silence.js";
export type {
  AlertFilter,
  ChannelHealth,
  NoticeFilter,
  NotificationDoor,
  NotificationStatus,
  PostedAlert,
  PostOutcome,
  ShownAlert,
  ShownGroup,
  ShownNotice,
  ShownSilence,
  SilenceOutcome,
  Suppression,
  SuppressionFilter,
} from "./notification-door.js";
