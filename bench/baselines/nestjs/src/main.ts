import 'reflect-metadata';

import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';

import { env } from './env';
import { IngressModule } from './ingress/ingress.module';
import { SenderModule } from './sender/sender.module';

const MODES = { ingress: IngressModule, sender: SenderModule };

async function bootstrap(): Promise<void> {
  const mode = env('MODE');
  if (mode !== 'ingress' && mode !== 'sender') {
    throw new Error('MODE must be `ingress` or `sender`');
  }
  const app = await NestFactory.create<NestExpressApplication>(MODES[mode], {
    rawBody: true, // the signature is over the bytes as they arrived
    logger: ['error', 'warn'],
  });
  app.useBodyParser('json', { limit: '3mb' }); // Meta's largest webhook body
  app.disable('x-powered-by');
  app.disable('etag');
  app.enableShutdownHooks();
  app.getHttpServer().keepAliveTimeout = 65_000; // longer than a load balancer's
  await app.listen(Number(env('PORT', '3000')), '127.0.0.1');
}

bootstrap().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
