"""What a call to the Graph API costs its caller in CPU, beside a raw protocol and other HTTP clients."""
