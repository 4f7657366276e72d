import { InjectQueue } from '@nestjs/bullmq';
import { Injectable } from '@nestjs/common';
import type { Queue } from 'bullmq';

import { INCOMING_MESSAGES } from '../queues';
import type { WebhookBody } from './webhook.types';

@Injectable()
export class WebhookService {
  constructor(@InjectQueue(INCOMING_MESSAGES) private readonly queue: Queue) {}

  /** One job per message and per status of the body; they are in Redis when this returns. */
  async enqueue(body: WebhookBody): Promise<void> {
    const jobs = jobsOf(body);
    if (jobs.length === 1) {
      await this.queue.add(jobs[0].name, jobs[0].data);
    } else if (jobs.length > 1) {
      await this.queue.addBulk(jobs);
    }
  }
}

function jobsOf(body: WebhookBody): { name: string; data: object }[] {
  return (body.entry ?? []).flatMap((entry) =>
    (entry.changes ?? []).flatMap(({ value }) => {
      const common = { wabaId: entry.id, phoneNumberId: value.metadata?.phone_number_id };
      const messages = (value.messages ?? []).map((message) => ({
        name: 'message',
        data: { ...common, contact: value.contacts?.find(({ wa_id }) => wa_id === message.from), message },
      }));
      const statuses = (value.statuses ?? []).map((status) => ({ name: 'status', data: { ...common, status } }));
      return [...messages, ...statuses];
    }),
  );
}
