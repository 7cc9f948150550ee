/** Changes of the rules for approvals that keep what belongs together true. */
import type { ApprovalChoice, ApprovalRule, ApprovalSettings } from '$types/api';

/** How long is waited when somebody chooses to escalate and has set no time (seconds). */
export const FIRST_TIMEOUT = 120;

/**
 * Returns what has to be changed when a setting is: escalating needs a time after which it does, and the time of
 * the second question is read only then.
 */
export function approvalChange(now: ApprovalSettings, change: ApprovalChoice): ApprovalChoice {
  const after = { ...now, ...change };
  const made: ApprovalChoice = { ...change };
  if (change.on_timeout === 'escalate' && (after.timeout ?? null) === null) made.timeout = FIRST_TIMEOUT;
  if (change.timeout === null && now.on_timeout === 'escalate') made.on_timeout = 'reject';
  const course = made.on_timeout === undefined ? now.on_timeout : (made.on_timeout ?? 'reject');
  if (course !== 'escalate' && (now.escalation_timeout ?? null) !== null) made.escalation_timeout = null;
  return made;
}

/** Returns the rules with one moved up (-1) or down (+1): the first that fits counts. */
export function moved(rules: readonly ApprovalRule[], place: number, by: -1 | 1): ApprovalRule[] {
  const made = [...rules];
  const to = place + by;
  const [one, other] = [made[place], made[to]];
  if (one && other) [made[place], made[to]] = [other, one];
  return made;
}
