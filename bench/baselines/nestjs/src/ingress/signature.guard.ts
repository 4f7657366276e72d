import { createHmac, timingSafeEqual } from 'node:crypto';

import { BadRequestException, CanActivate, ExecutionContext, Injectable, RawBodyRequest } from '@nestjs/common';
import type { Request } from 'express';

import { env } from '../env';

/** Lets a request pass whose `x-hub-signature-256` signs its raw body with the app secret. */
@Injectable()
export class SignatureGuard implements CanActivate {
  private readonly secret = env('APP_SECRET');

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<RawBodyRequest<Request>>();
    const given = Buffer.from(request.get('x-hub-signature-256') ?? '');
    const hmac = createHmac('sha256', this.secret).update(request.rawBody ?? '');
    const expected = Buffer.from(`sha256=${hmac.digest('hex')}`);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw new BadRequestException('x-hub-signature-256 does not sign this body');
    }
    return true;
  }
}
