/** The parts of a webhook body of Meta that are used here. */
export interface WebhookBody {
  object?: string;
  entry?: { id: string; changes?: WebhookChange[] }[];
}

export interface WebhookChange {
  field: string;
  value: {
    metadata?: { display_phone_number: string; phone_number_id: string };
    contacts?: { wa_id: string; profile?: { name?: string } }[];
    messages?: WebhookMessage[];
    statuses?: WebhookStatus[];
  };
}

export interface WebhookMessage {
  id: string;
  from: string;
  timestamp: string;
  type: string;
  [content: string]: unknown;
}

export interface WebhookStatus {
  id: string;
  recipient_id: string;
  status: string;
  timestamp: string;
  [detail: string]: unknown;
}
