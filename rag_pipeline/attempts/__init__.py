"""Settings that are tried: releases built beside the home with other settings, measured, compared with how it is now, and
thrown away. No channel, candidate or evidence is written, and nothing that decides reads what lies here."""
