import { Body, Controller, HttpCode, Post, UseGuards } from '@nestjs/common';

import { SignatureGuard } from './signature.guard';
import { WebhookService } from './webhook.service';
import type { WebhookBody } from './webhook.types';

@Controller('whatsapp-cloud/webhook')
export class WebhookController {
  constructor(private readonly webhooks: WebhookService) {}

  @Post()
  @HttpCode(200)
  @UseGuards(SignatureGuard)
  async receive(@Body() body: WebhookBody): Promise<{ success: true }> {
    await this.webhooks.enqueue(body);
    return { success: true };
  }
}
