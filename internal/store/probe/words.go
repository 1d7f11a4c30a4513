package probe

// words says what the findings mean, and what no finding can show.
func (r *run) words(canLock bool, locker Locker) {
	say := func(list *[]string, text string) { *list = append(*list, text) }
	good, limits := &r.report.Guarantees, &r.report.Limits
	if !r.report.OK() {
		say(limits, "A trial failed: what is said here holds only when it is put right.")
	}
	say(good, "Of two writers only one gets a name, and a written object is never written again by us.")
	if !canLock {
		say(good, "What was acknowledged survives a crash and the loss of power.")
		say(limits, "A directory cannot lock: whoever may write to it can change or delete objects. Verification shows it; nothing prevents it.")
		say(limits, "The loss of the disk is the loss of the ledger: keep a copy elsewhere.")
		return
	}
	switch locker.LockMode() {
	case "COMPLIANCE":
		say(good, "Until its retention ends no locked version can be deleted or changed, by nobody, the owner of the account included.")
	case "GOVERNANCE":
		say(good, "Until its retention ends a locked version can be deleted only with the permission s3:BypassGovernanceRetention.")
		say(limits, "Governance locks hold against mistakes and ordinary accounts, not against an administrator. Verification shows a deletion; compliance mode prevents it.")
	default:
		say(limits, "Objects are not locked: whoever may delete in the bucket can delete them. Verification shows it; nothing prevents it.")
	}
	say(limits, "Whoever may write to the bucket can hide an object behind a new version or a delete marker. The locked version stays below, is found, and the interference is named.")
	say(limits, "The end of the account, or of the provider, is the end of the bucket: keep a copy elsewhere.")
}
