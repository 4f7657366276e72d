import type { DefaultJobOptions } from 'bullmq';

export const INCOMING_MESSAGES = 'incoming-messages';
export const WHATSAPP_CLOUD_SEND = 'whatsapp-cloud-send';

/** What every producer gives its jobs. */
export const defaultJobOptions: DefaultJobOptions = {
  attempts: 3,
  backoff: { type: 'exponential', delay: 2000 },
  removeOnComplete: true,
};

/** A job of `whatsapp-cloud-send`. */
export interface SendJob {
  phoneNumberId: string;
  accessToken: string;
  to: string;
  message: string;
  messageId: string;
}
