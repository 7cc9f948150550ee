/** What waits for a person, generated from the server's description. */
export type { Approval, AuditEntry, QuestionRow, Rejection, UserQuestion, ValidationRequest } from './api';

export type RiskLevel = 'low' | 'medium' | 'high';
