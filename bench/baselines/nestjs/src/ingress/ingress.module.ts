import { BullModule } from '@nestjs/bullmq';
import { Module } from '@nestjs/common';

import { redisUrl } from '../env';
import { HealthController } from '../health.controller';
import { defaultJobOptions, INCOMING_MESSAGES } from '../queues';
import { WebhookController } from './webhook.controller';
import { WebhookService } from './webhook.service';

@Module({
  imports: [
    BullModule.forRoot({ connection: { url: redisUrl() }, defaultJobOptions }),
    BullModule.registerQueue({ name: INCOMING_MESSAGES }),
  ],
  controllers: [HealthController, WebhookController],
  providers: [WebhookService],
})
export class IngressModule {}
