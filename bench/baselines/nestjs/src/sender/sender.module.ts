import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';

import { HttpModule } from '@nestjs/axios';
import { BullModule } from '@nestjs/bullmq';
import { Module } from '@nestjs/common';

import { redisUrl } from '../env';
import { HealthController } from '../health.controller';
import { WHATSAPP_CLOUD_SEND } from '../queues';
import { SendProcessor } from './send.processor';

@Module({
  imports: [
    BullModule.forRoot({ connection: { url: redisUrl() } }),
    BullModule.registerQueue({ name: WHATSAPP_CLOUD_SEND }), // starts the processors too
    HttpModule.register({
      timeout: 10_000,
      httpAgent: new HttpAgent({ keepAlive: true }),
      httpsAgent: new HttpsAgent({ keepAlive: true }),
    }),
  ],
  controllers: [HealthController],
  providers: [SendProcessor],
})
export class SenderModule {}
