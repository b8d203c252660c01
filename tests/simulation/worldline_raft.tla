---------------------------- MODULE worldline_raft ----------------------------
(* tests/simulation/worldline_raft.tla

   Raft as worldline runs it, as a text for readers. TLC, which could check it, is no package of
   Debian; what the tests run is the same model in C++ (abstract_model.h), held against every step
   of simulated schedules and scripts. Names of actions and invariants are the same in both.

   Beyond the model of the Raft paper there are: a config that counts from its append, with a joint
   half; the `verified` bound of what a follower may commit; writes of the log that end later than
   they began, guarded by a write epoch; checkpoints. Not modelled: pre-vote, leases, check-quorum,
   reads, flow control, quiescence. They decide when an action happens, never whether it may. *)
EXTENDS Naturals, Sequences, FiniteSets

CONSTANTS Replica, Payload, None

VARIABLES
  messages,   \* A set: whatever was sent may arrive, any number of times.
  term, vote, role, log, base, commit,
  verified,   \* Equal to the log of this term's leader up to here.
  stable,     \* The replica knows its log to be on its disk up to here.
  epoch, jobs,\* Write epoch; writes that have not ended, oldest first.
  disk,       \* [term, vote, log] as of the last write that ended.
  grants, accepted,
  committed   \* What anybody ever committed, a history variable.

Last(r)      == Len(log[r])
LastTerm(r)  == IF Last(r) = 0 THEN 0 ELSE log[r][Last(r)].term
Min(a, b)    == IF a < b THEN a ELSE b
Max(a, b)    == IF a > b THEN a ELSE b

\* In force from the append of its entry, not from its commit.
Config(r)    == LET at == {i \in 1..Last(r) : log[r][i].config /= None}
                IN log[r][CHOOSE i \in at : \A j \in at : j <= i].config
Majority(S, half) == half = {} \/ 2 * Cardinality(S \cap half) > Cardinality(half)
Quorum(S, c) == Majority(S, c.voters) /\ Majority(S, c.outgoing)
UpToDate(t, i, r) == t > LastTerm(r) \/ (t = LastTerm(r) /\ i >= Last(r))

-------------------------------------------------------------------------------
(* Actions. A step of the real replica is one of them or several in a row. *)

\* Everything but what is on the disk is forgotten.
Restart(r) ==
  /\ term' = [term EXCEPT ![r] = disk[r].term] /\ vote' = [vote EXCEPT ![r] = disk[r].vote]
  /\ log' = [log EXCEPT ![r] = disk[r].log]    /\ role' = [role EXCEPT ![r] = "follower"]
  /\ commit' \in {[commit EXCEPT ![r] = c] : c \in base[r]..Min(commit[r], Len(disk[r].log))}
  /\ verified' = [verified EXCEPT ![r] = commit'[r]]
  /\ stable' = [stable EXCEPT ![r] = Len(disk[r].log)]
  /\ jobs' = [jobs EXCEPT ![r] = <<>>] /\ grants' = [grants EXCEPT ![r] = {}]
  /\ UNCHANGED <<messages, base, epoch, disk, accepted, committed>>

\* Any message but a pre-vote carries a term that somebody has.
UpdateTerm(r, m) ==
  /\ m.term > term[r] /\ m.kind /= "PreVote"
  /\ term' = [term EXCEPT ![r] = m.term] /\ vote' = [vote EXCEPT ![r] = None]
  /\ role' = [role EXCEPT ![r] = "follower"] /\ verified' = [verified EXCEPT ![r] = commit[r]]
  /\ grants' = [grants EXCEPT ![r] = {}]
  /\ accepted' = [accepted EXCEPT ![r] = [x \in Replica |-> 0]]
  /\ UNCHANGED <<messages, log, base, commit, stable, epoch, jobs, disk, committed>>

Campaign(r) ==
  /\ role[r] /= "leader"
  /\ term' = [term EXCEPT ![r] = @ + 1] /\ vote' = [vote EXCEPT ![r] = r]
  /\ role' = [role EXCEPT ![r] = "candidate"] /\ verified' = [verified EXCEPT ![r] = commit[r]]
  /\ grants' = [grants EXCEPT ![r] = {}]
  /\ messages' = messages \cup {[kind |-> "VoteRequest", from |-> r, term |-> term'[r],
                                 index |-> Last(r), indexTerm |-> LastTerm(r)]}
  /\ UNCHANGED <<log, base, commit, stable, epoch, jobs, disk, accepted, committed>>

\* Once in a term; the answer leaves when it is on the disk (SendGrant).
GrantVote(r, m) ==
  /\ m.kind = "VoteRequest" /\ m.term = term[r] /\ vote[r] \in {None, m.from}
  /\ UpToDate(m.indexTerm, m.index, r)
  /\ vote' = [vote EXCEPT ![r] = m.from]
  /\ UNCHANGED <<messages, term, role, log, base, commit, verified, stable, epoch, jobs, disk,
                 grants, accepted, committed>>
SendGrant(r) ==
  /\ disk[r].vote \notin {None, r}
  /\ messages' = messages \cup {[kind |-> "VoteGranted", from |-> r, to |-> disk[r].vote,
                                 term |-> disk[r].term]}
  /\ UNCHANGED <<term, vote, role, log, base, commit, verified, stable, epoch, jobs, disk, grants,
                 accepted, committed>>
NoteGrant(r, m) ==
  /\ m.kind = "VoteGranted" /\ m.to = r /\ m.term = term[r]
  /\ grants' = [grants EXCEPT ![r] = @ \cup {m.from}]
  /\ UNCHANGED <<messages, term, vote, role, log, base, commit, verified, stable, epoch, jobs,
                 disk, accepted, committed>>

\* Its own vote counts, and must be on its disk even where the others' suffice.
BecomeLeader(r) ==
  /\ role[r] = "candidate" /\ disk[r].term = term[r] /\ disk[r].vote = r
  /\ Quorum(grants[r] \cup {r}, Config(r))
  /\ role' = [role EXCEPT ![r] = "leader"]
  /\ log' = [log EXCEPT ![r] = Append(@, [term |-> term[r], payload |-> None, config |-> None])]
  /\ accepted' = [accepted EXCEPT ![r] = [x \in Replica |-> 0]]
  /\ UNCHANGED <<messages, term, vote, base, commit, verified, stable, epoch, jobs, disk, grants,
                 committed>>

ClientRequest(r, p, c) ==
  /\ role[r] = "leader"
  /\ log' = [log EXCEPT ![r] = Append(@, [term |-> term[r], payload |-> p, config |-> c])]
  /\ UNCHANGED <<messages, term, vote, role, base, commit, verified, stable, epoch, jobs, disk,
                 grants, accepted, committed>>

\* Sent by a leader: any range of its log, and its true commit.
SendAppend(r, i, n) ==
  /\ role[r] = "leader" /\ i \in base[r]..Last(r) /\ i + n <= Last(r)
  /\ messages' = messages \cup {[kind |-> "Append", from |-> r, term |-> term[r], index |-> i,
       indexTerm |-> IF i = 0 THEN 0 ELSE log[r][i].term,
       entries |-> SubSeq(log[r], i + 1, i + n), commit |-> commit[r]]}
  /\ UNCHANGED <<term, vote, role, log, base, commit, verified, stable, epoch, jobs, disk, grants,
                 accepted, committed>>

\* Without a conflict nothing is cut off, even if the message ends before the log does; nothing at
\* or below the commit is ever changed. Cutting off raises the write epoch.
AppendEntries(r, m) ==
  LET fits == m.index <= commit[r] \/ (m.index <= Last(r) /\ log[r][m.index].term = m.indexTerm)
      conflicts == {i \in m.index + 1 .. Min(Last(r), m.index + Len(m.entries)) :
                      i > commit[r] /\ log[r][i].term /= m.entries[i - m.index].term}
      first == IF conflicts /= {} THEN CHOOSE i \in conflicts : \A j \in conflicts : i <= j
               ELSE Last(r) + 1
      new == IF m.index + Len(m.entries) < first THEN <<>>
             ELSE SubSeq(m.entries, first - m.index, Len(m.entries))
  IN
  /\ m.kind = "Append" /\ m.term = term[r] /\ role[r] /= "leader" /\ fits
  /\ role' = [role EXCEPT ![r] = "follower"]
  /\ log' = [log EXCEPT ![r] = SubSeq(@, 1, first - 1) \o new]
  /\ epoch' = [epoch EXCEPT ![r] = IF conflicts = {} THEN @ ELSE @ + 1]
  /\ stable' = [stable EXCEPT ![r] = Min(@, first - 1)]
  /\ verified' = [verified EXCEPT ![r] = Max(@, Max(commit[r], m.index + Len(m.entries)))]
  /\ UNCHANGED <<messages, term, vote, base, commit, jobs, disk, grants, accepted, committed>>

\* An acknowledgement is about the disk, not about the memory.
SendAccepted(r, i) ==
  /\ i <= Len(disk[r].log) /\ i <= Last(r) /\ SubSeq(disk[r].log, 1, i) = SubSeq(log[r], 1, i)
  /\ i <= verified[r]
  /\ messages' = messages \cup {[kind |-> "AppendOk", from |-> r, term |-> term[r], index |-> i]}
  /\ UNCHANGED <<term, vote, role, log, base, commit, verified, stable, epoch, jobs, disk, grants,
                 accepted, committed>>
NoteAccepted(r, m) ==
  /\ m.kind = "AppendOk" /\ m.term = term[r] /\ role[r] = "leader"
  /\ accepted' = [accepted EXCEPT ![r][m.from] = Max(@, m.index)]
  /\ UNCHANGED <<messages, term, vote, role, log, base, commit, verified, stable, epoch, jobs,
                 disk, grants, committed>>

\* Only entries of the own term are committed by counting.
AdvanceCommit(r, i) ==
  /\ role[r] = "leader" /\ i > commit[r] /\ log[r][i].term = term[r]
  /\ Quorum({x \in Replica : IF x = r THEN stable[r] >= i ELSE accepted[r][x] >= i}, Config(r))
  /\ commit' = [commit EXCEPT ![r] = i]
  /\ committed' = IF i > Len(committed) THEN SubSeq(log[r], 1, i) ELSE committed
  /\ UNCHANGED <<messages, term, vote, role, log, base, verified, stable, epoch, jobs, disk,
                 grants, accepted>>

\* Never beyond what is verified: the tail may be stale. By an Append or a heartbeat.
LearnCommit(r, m) ==
  /\ m.kind \in {"Append", "Heartbeat"} /\ m.term = term[r]
  /\ Min(m.commit, verified[r]) > commit[r]
  /\ commit' = [commit EXCEPT ![r] = Min(m.commit, verified[r])]
  /\ UNCHANGED <<messages, term, vote, role, log, base, verified, stable, epoch, jobs, disk,
                 grants, accepted, committed>>

\* A write begins with everything there is, and ends some time.
HandOut(r) ==
  /\ jobs' = [jobs EXCEPT ![r] = Append(@, [epoch |-> epoch[r], last |-> Last(r),
                                             term |-> term[r], vote |-> vote[r], log |-> log[r]])]
  /\ UNCHANGED <<messages, term, vote, role, log, base, commit, verified, stable, epoch, disk,
                 grants, accepted, committed>>
\* What it wrote counts as stable only if nothing was cut off meanwhile.
Persisted(r) ==
  LET job == Head(jobs[r]) IN
  /\ jobs[r] /= <<>> /\ jobs' = [jobs EXCEPT ![r] = Tail(@)]
  /\ disk' = [disk EXCEPT ![r] = [term |-> job.term, vote |-> job.vote, log |-> job.log]]
  /\ stable' = [stable EXCEPT ![r] = IF job.epoch = epoch[r] THEN Max(@, job.last) ELSE @]
  /\ UNCHANGED <<messages, term, vote, role, log, base, commit, verified, epoch, grants, accepted,
                 committed>>

Compact(r, i) ==
  /\ i \in base[r]..commit[r] /\ base' = [base EXCEPT ![r] = i]
  /\ UNCHANGED <<messages, term, vote, role, log, commit, verified, stable, epoch, jobs, disk,
                 grants, accepted, committed>>
\* Of a follower, to what was committed; its whole log goes.
InstallSnapshot(r, i) ==
  /\ role[r] = "follower" /\ i > commit[r] /\ i <= Len(committed)
  /\ log' = [log EXCEPT ![r] = SubSeq(committed, 1, i)] /\ base' = [base EXCEPT ![r] = i]
  /\ commit' = [commit EXCEPT ![r] = i] /\ verified' = [verified EXCEPT ![r] = i]
  /\ stable' = [stable EXCEPT ![r] = i] /\ epoch' = [epoch EXCEPT ![r] = @ + 1]
  /\ UNCHANGED <<messages, term, vote, role, jobs, disk, grants, accepted, committed>>

-------------------------------------------------------------------------------
Next == \E r \in Replica :
  \/ Restart(r) \/ Campaign(r) \/ SendGrant(r) \/ BecomeLeader(r) \/ HandOut(r) \/ Persisted(r)
  \/ \E p \in Payload, c \in {None} : ClientRequest(r, p, c)  \* And the joint configs of 1.14.
  \/ \E i \in 0..Last(r), n \in 0..Last(r) : SendAppend(r, i, n) \/ SendAccepted(r, i)
  \/ \E i \in 1..Len(committed) + Last(r) :
       AdvanceCommit(r, i) \/ Compact(r, i) \/ InstallSnapshot(r, i)
  \/ \E m \in messages : UpdateTerm(r, m) \/ GrantVote(r, m) \/ NoteGrant(r, m)
       \/ AppendEntries(r, m) \/ NoteAccepted(r, m) \/ LearnCommit(r, m)

-------------------------------------------------------------------------------
(* Invariants; the last two are of steps. *)
Prefix(s, t) == Len(s) <= Len(t) /\ SubSeq(t, 1, Len(s)) = s
CommittedOf(r) == SubSeq(log[r], 1, commit[r])

OneLeaderPerTerm == \A a, b \in Replica :
  role[a] = "leader" /\ role[b] = "leader" /\ term[a] = term[b] => a = b
LogMatching == \A a, b \in Replica : \A i \in 1..Min(Last(a), Last(b)) :
  log[a][i].term = log[b][i].term => SubSeq(log[a], 1, i) = SubSeq(log[b], 1, i)
CommittedPrefixAgreement == \A a, b \in Replica :
  Prefix(CommittedOf(a), CommittedOf(b)) \/ Prefix(CommittedOf(b), CommittedOf(a))
LeaderHasGreatestIndex == \A l, r \in Replica : role[l] = "leader" =>
  \A i \in 1..Last(r) : log[r][i].term = term[l] => i <= Last(l)
UpToDateCheck == \A a, b \in Replica :
  UpToDate(LastTerm(a), Last(a), b) => Prefix(CommittedOf(b), log[a])
LeaderCompleteness == \A l \in Replica : role[l] = "leader" =>
  \A i \in 1..Len(committed) :
    committed[i].term < term[l] => i <= Last(l) /\ log[l][i] = committed[i]
\* Of the moment of the commit: a later config has other quorums.
Commits(r) == role[r] = "leader" /\ commit'[r] > commit[r]
QuorumLog == [][\A r \in Replica : Commits(r) =>
  Quorum({x \in Replica : Prefix(CommittedOf(r)', log[x])}, Config(r))]_commit
CommittedIsDurable == [][\A r \in Replica : Commits(r) =>
  Quorum({x \in Replica : Prefix(CommittedOf(r)', disk[x].log)}, Config(r))]_commit
===============================================================================
