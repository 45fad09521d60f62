/** Notification's door: alerts to people. */
export { createNotification, type Notification, type NotificationPorts } from "./create-notification.js";
export { fingerprintOf } from "./domain/fingerprint.js";
export { formatMatcher, formatMatchers, type LabelMatcher, parseMatchers } from "./domain/matcher.js";
export type { PostedAlert } from "./domain/posted-alert.js";
export type { AlertFilter, ShownAlert, ShownGroup } from "./domain/shown-alert.js";
export { type Silence, type SilenceRequest, type SilenceState, silenceState } from "./domain/silence.js";
export type {
  AlertAccount,
  AlertHider,
  ChannelHealth,
  NoticeFilter,
  NotificationDoor,
  NotificationStatus,
  PostOutcome,
  ShownNotice,
  ShownSilence,
  SilenceOutcome,
  Suppression,
  SuppressionFilter,
} from "./notification-door.js";
