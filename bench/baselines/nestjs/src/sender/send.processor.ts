import { HttpService } from '@nestjs/axios';
import { OnWorkerEvent, Processor, WorkerHost } from '@nestjs/bullmq';
import { Logger } from '@nestjs/common';
import type { Job } from 'bullmq';

import { env } from '../env';
import { type SendJob, WHATSAPP_CLOUD_SEND } from '../queues';

/** Sends one text per job; an error is retried as the job's options say. */
@Processor(WHATSAPP_CLOUD_SEND, { concurrency: Number(env('CONCURRENCY', '64')) })
export class SendProcessor extends WorkerHost {
  private readonly logger = new Logger(SendProcessor.name);
  private readonly graph = env('GRAPH_BASE_URL', 'https://graph.facebook.com');

  constructor(private readonly http: HttpService) {
    super();
  }

  async process({ data }: Job<SendJob>): Promise<{ wamid: string }> {
    const response = await this.http.axiosRef.post<{ messages: { id: string }[] }>(
      `${this.graph}/v25.0/${data.phoneNumberId}/messages`,
      {
        messaging_product: 'whatsapp',
        recipient_type: 'individual',
        to: data.to,
        type: 'text',
        text: { body: data.message },
      },
      { headers: { Authorization: `Bearer ${data.accessToken}` } },
    );
    return { wamid: response.data.messages[0].id };
  }

  @OnWorkerEvent('failed')
  onFailed(job: Job<SendJob> | undefined, error: Error): void {
    this.logger.warn(`job ${job?.id} failed, attempt ${job?.attemptsMade}: ${error.message}`);
  }
}
