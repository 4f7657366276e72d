"""TLS to the brokers: the same rules on every version of Python."""

import ssl


def broker_context(ca_file: str | None) -> ssl.SSLContext:
    """Trust the authorities of the file, or without one those of the system; the broker's name has to match.

    Raises OSError when the file cannot be read as certificates.

    Both flags are set by name, because Python 3.13 changed their defaults:

    - VERIFY_X509_STRICT is off. Operators' authorities seldom follow RFC 5280 to the letter: broker certificates of
      Strimzi have no authority key identifier (https://github.com/strimzi/strimzi-kafka-operator/issues/11375), and
      a strict client refuses them. Signatures, times and names are checked all the same.
    - VERIFY_X509_PARTIAL_CHAIN is on. An intermediate authority in the file is trusted without its root.
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
