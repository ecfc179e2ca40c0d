// Package chaos hides how the real programs are brought into trouble and how it is told whether they bore it. A [Run] has
// the daemon, several hostcams and many viewers of every kind; a schedule that follows from one number alone breaks things around
// them; and what must hold all the time is looked at all the time. docs/chaos.md lists the faults and the promises.
//
// It is made of rounds: some seconds of faults, then each camera has to be back within its bound, then everybody but a few
// steady viewers leaves, and the books have to balance and the daemon to hold no more than it did at first.
package chaos
