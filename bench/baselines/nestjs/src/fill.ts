import { randomUUID } from 'node:crypto';

import { Queue } from 'bullmq';

import { env, redisUrl } from './env';
import { defaultJobOptions, type SendJob, WHATSAPP_CLOUD_SEND } from './queues';

const CHUNK = 1000;

/** Adds $COUNT jobs to the send queue; several numbers in $PHONE_NUMBER_ID, by comma, take turns. */
async function fill(): Promise<void> {
  const count = Number(env('COUNT'));
  const accessToken = env('ACCESS_TOKEN', 'token');
  const numbers = env('PHONE_NUMBER_ID').split(',');
  const queue = new Queue<SendJob>(WHATSAPP_CLOUD_SEND, { connection: { url: redisUrl() }, defaultJobOptions });

  const job = (index: number): { name: string; data: SendJob } => ({
    name: 'send',
    data: {
      phoneNumberId: numbers[index % numbers.length],
      accessToken,
      to: `49151000${index}`,
      message: `Message ${index}`,
      messageId: randomUUID(),
    },
  });
  for (let start = 0; start < count; start += CHUNK) {
    const length = Math.min(CHUNK, count - start);
    await queue.addBulk(Array.from({ length }, (_, offset) => job(start + offset)));
  }
  await queue.close();
  console.log(`added ${count} jobs to ${WHATSAPP_CLOUD_SEND}`);
}

fill().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
