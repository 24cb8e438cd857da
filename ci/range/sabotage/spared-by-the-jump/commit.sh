# Felix knows its rules by the hash in their comment, and keeps them above everybody else's: a rule that bears the hash stays where it is.
rule=$(iptables -w -S FORWARD 1 | sed -n 's/^-A FORWARD \(-m comment --comment "\{0,1\}cali:[^ "]*"\{0,1\} -j cali-FORWARD\)$/\1/p')
[ -n "$rule" ]
eval iptables -w -R FORWARD 1 ! -d 169.254.0.0/16 "$rule"
