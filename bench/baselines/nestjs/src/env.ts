/** The value of an environment variable; without a fallback it has to be set. */
export function env(name: string, fallback?: string): string {
  const value = process.env[name] || fallback;
  if (value === undefined) {
    throw new Error(`${name} must be set`);
  }
  return value;
}

export const redisUrl = (): string => env('REDIS_URL', 'redis://127.0.0.1:6399');
