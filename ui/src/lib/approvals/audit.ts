/** Which decisions fit what is looked for. */
import type { AuditEntry } from '$types/validation';

export interface AuditFilter {
  text: string;
  status: string;
  risk: string;
}

/** Returns the decisions that fit; the text is looked for in all that is told of a decision, in any case. */
export function fitting(
  entries: readonly AuditEntry[],
  { text, status, risk }: AuditFilter,
  nameOf: (entry: AuditEntry) => string,
): AuditEntry[] {
  const wanted = text.trim().toLocaleLowerCase().split(/\s+/).filter(Boolean);
  return entries.filter((entry) => {
    if (status && entry.status !== status) return false;
    if (risk && entry.risk_level !== risk) return false;
    const told = [
      entry.operation,
      entry.tool_name,
      entry.agent_id,
      entry.decided_by,
      entry.reason,
      nameOf(entry),
    ]
      .join(' ')
      .toLocaleLowerCase();
    return wanted.every((part) => told.includes(part));
  });
}
